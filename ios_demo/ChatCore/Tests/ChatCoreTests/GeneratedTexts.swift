/// Seeded mixtures of pieces, real texts and any code points: those of `tests/phone_cases.py`, from
/// the same random numbers, so that their ids can be compared by digest.
struct GeneratedTexts {
    private var chance = SplitMix64()
    private let pieces: [[UInt32]]
    private let real: [[UInt32]]

    private static let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map { GeneratedTexts.scalars($0) }
    private static let odd = [
        "##", "[", "]", "\u{301}", String(repeating: "x", count: 100),
        String(repeating: "x", count: 101), "\n",
    ].map { GeneratedTexts.scalars($0) }
    private static let blocks: [ClosedRange<UInt32>] = [
        0x20...0x7F, 0xA0...0x24F, 0x300...0x36F, 0x370...0x3FF, 0x400...0x52F, 0x590...0x6FF,
        0x900...0x97F, 0xE00...0xE7F, 0x1E00...0x1FFF, 0x2000...0x206F, 0x20A0...0x214F,
        0x3000...0x30FF, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE00...0xFFFF,
        0x10000...0x10FFF, 0x1D000...0x1D7FF, 0x1F300...0x1FAFF, 0x20000...0x2FA1F,
        0x0...0x1F, 0xE000...0xE0FF, 0xE0000...0xE01EF, 0x0...0x10FFFF,
    ]

    init(vocabulary: [UInt8], real: [String]) {
        var lines = vocabulary.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        pieces = lines.map { line in
            let piece = Self.scalars(String(decoding: line, as: UTF8.self))
            return piece.starts(with: [0x23, 0x23]) ? Array(piece.dropFirst(2)) : piece
        }
        self.real = real.map { Self.scalars($0) }
    }

    mutating func next() -> String {
        var parts: [[UInt32]] = []
        let count = chance.between(1, 8)
        for _ in 0..<count { parts.append(part()) }
        let separators: [[UInt32]] = [[], [0x20], [0x20]]
        let separator = separators[chance.below(3)]
        var text = String.UnicodeScalarView()
        for scalar in parts.joined(separator: separator) {
            if let scalar = Unicode.Scalar(scalar) { text.append(scalar) }
        }
        return String(text)
    }

    private mutating func part() -> [UInt32] {
        switch chance.below(7) {
        case 0: return piece()
        case 1:
            let upper = piece().map { (0x61...0x7A).contains($0) ? $0 - 32 : $0 }
            return upper + piece()
        case 2: return characters()
        case 3:
            let before = piece()
            return before + characters()
        case 4:
            let text = real[chance.below(real.count)]
            return Array(text.prefix(chance.between(0, 60)))
        case 5: return Self.special[chance.below(Self.special.count)]
        default: return Self.odd[chance.below(Self.odd.count)]
        }
    }

    private mutating func piece() -> [UInt32] {
        pieces[chance.below(pieces.count)]
    }

    private mutating func characters() -> [UInt32] {
        let block = Self.blocks[chance.below(Self.blocks.count)]
        let count = chance.between(1, 6)
        var some: [UInt32] = []
        for _ in 0..<count {
            let code = chance.between(Int(block.lowerBound), Int(block.upperBound))
            some.append(UInt32(code))
        }
        return some.filter { !(0xD800...0xDFFF).contains($0) }
    }

    private static func scalars(_ text: String) -> [UInt32] {
        text.unicodeScalars.map(\.value)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
private struct SplitMix64 {
    private var state: UInt64 = 0

    mutating func below(_ limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int(((mixed ^ (mixed >> 31)) >> 11) % UInt64(limit))
    }

    mutating func between(_ low: Int, _ high: Int) -> Int {
        low + below(high - low + 1)
    }
}
