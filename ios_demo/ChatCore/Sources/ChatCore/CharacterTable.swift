/// What BERT's normalizer makes of each code point, read from the bundle's `characters.json`.
///
/// The phone's own Unicode tables are of another version than the tokenizer's, so none is asked.
public struct CharacterTable: Sendable {
    /// What a code point does to the word that is being read.
    enum Effect {
        /// The word goes on with the code point.
        case append(UInt32)
        /// The word ends here.
        case end
        /// The word ends, and the code point is a word of its own.
        case alone(UInt32)
    }

    private let drop: Ranges
    private let space: Ranges
    private let alone: Ranges
    private let replace: [UInt32: [UInt32]]
    private let hangul: Bool

    private static let last: UInt32 = 0x10FFFF
    private static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
    private static let leading: UInt32 = 0x1100
    private static let vowel: UInt32 = 0x1161
    private static let trail: UInt32 = 0x11A7
    private static let trails: UInt32 = 28
    private static let vowelsByTrails: UInt32 = 21 * 28

    /// Hand every effect of `codePoint` to `effect`; a code point that is dropped has none.
    func read(_ codePoint: UInt32, _ effect: (Effect) -> Void) {
        if let replacement = replace[codePoint] {
            for one in replacement { place(one, effect) }
        } else if hangul && Self.syllables.contains(codePoint) {
            readSyllable(codePoint - Self.syllables.lowerBound, effect)
        } else if !drop.contains(codePoint) {
            place(codePoint, effect)
        }
    }

    /// A Hangul syllable falls into two or three letters (Unicode, section 3.12).
    private func readSyllable(_ index: UInt32, _ effect: (Effect) -> Void) {
        place(Self.leading + index / Self.vowelsByTrails, effect)
        place(Self.vowel + index % Self.vowelsByTrails / Self.trails, effect)
        let last = index % Self.trails
        if last > 0 { place(Self.trail + last, effect) }
    }

    private func place(_ codePoint: UInt32, _ effect: (Effect) -> Void) {
        if space.contains(codePoint) {
            effect(.end)
        } else if alone.contains(codePoint) {
            effect(.alone(codePoint))
        } else {
            effect(.append(codePoint))
        }
    }

    /// Sorted ranges of code points, both ends included.
    struct Ranges: Sendable {
        private let firsts: [UInt32]
        private let lasts: [UInt32]

        init(_ pairs: [[UInt32]]) throws {
            guard pairs.allSatisfy({ $0.count == 2 && $0[1] <= CharacterTable.last }) else {
                throw ChatError.bundle(
                    "characters.json holds a range of other than two code points. "
                        + "Make the bundle again.")
            }
            firsts = pairs.map { $0[0] }
            lasts = pairs.map { $0[1] }
        }

        func contains(_ codePoint: UInt32) -> Bool {
            var low = 0
            var high = firsts.count
            while low < high {
                let middle = (low + high) / 2
                if firsts[middle] <= codePoint { low = middle + 1 } else { high = middle }
            }
            return low > 0 && codePoint <= lasts[low - 1]
        }
    }
}

extension CharacterTable: Decodable {
    private enum Key: String, CodingKey {
        case drop, space, alone, replace, hangul
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        drop = try Ranges(values.decode([[UInt32]].self, forKey: .drop))
        space = try Ranges(values.decode([[UInt32]].self, forKey: .space))
        alone = try Ranges(values.decode([[UInt32]].self, forKey: .alone))
        hangul = try values.decode(Bool.self, forKey: .hangul)
        var table: [UInt32: [UInt32]] = [:]
        for entry in try values.decode([[UInt32]].self, forKey: .replace) {
            guard let first = entry.first, entry.allSatisfy({ $0 <= Self.last }) else {
                throw ChatError.bundle(
                    "characters.json replaces what is no code point. Make the bundle again.")
            }
            table[first] = Array(entry.dropFirst())
        }
        replace = table
    }
}
