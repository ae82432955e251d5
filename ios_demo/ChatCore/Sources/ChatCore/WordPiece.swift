/// Token ids of a text, equal to Hugging Face's `tokenizers` with BERT's normalizer.
///
/// A literal "[CLS]" in a text is the special token, as there.
public struct WordPiece: Sendable {
    // Pieces are bytes of UTF-8, not strings: Swift takes two strings for one where they are
    // canonically equivalent, and the vocabulary does not.
    private let initial: [ArraySlice<UInt8>: Int32]
    private let continued: [ArraySlice<UInt8>: Int32]
    private let longest: Int
    private let special: [(scalars: [UInt32], id: Int32)]
    private let unknown: Int32
    private let first: Int32
    private let last: Int32
    private let characters: CharacterTable
    private let maxLength: Int
    /// How many the vocabulary has.
    public let pieces: Int

    private static let longestWord = 100  // code points

    /// - Parameters:
    ///   - vocabulary: the bytes of `vocab.txt`, a piece a line.
    ///   - characters: of the same bundle.
    ///   - maxLength: tokens, [CLS] and [SEP] included.
    public init(vocabulary: [UInt8], characters: CharacterTable, maxLength: Int) throws {
        var lines = vocabulary.split(separator: 0x0A, omittingEmptySubsequences: false)
        while lines.last?.isEmpty == true { lines.removeLast() }
        var initial: [ArraySlice<UInt8>: Int32] = [:]
        var continued: [ArraySlice<UInt8>: Int32] = [:]
        for (id, line) in lines.enumerated() {
            initial[line] = Int32(id)
            if line.starts(with: [0x23, 0x23]) { continued[line.dropFirst(2)] = Int32(id) }
        }
        func id(of piece: String) throws -> Int32 {
            guard let id = initial[ArraySlice(piece.utf8)] else {
                throw ChatError.bundle("vocab.txt lacks \(piece). Make the bundle again.")
            }
            return id
        }
        special = try ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map { piece in
            try (scalars: piece.unicodeScalars.map(\.value), id: id(of: piece))
        }
        unknown = try id(of: "[UNK]")
        first = try id(of: "[CLS]")
        last = try id(of: "[SEP]")
        longest = lines.map(\.count).max() ?? 0
        pieces = lines.count
        self.initial = initial
        self.continued = continued
        self.characters = characters
        self.maxLength = maxLength
    }

    /// Ids with [CLS] and [SEP]: at least 2, at most `maxLength`; what comes after is cut off.
    ///
    /// Reads no further than that takes, so time and memory do not grow with what is cut.
    public func encode(_ text: String) -> [Int32] {
        var text = text
        text.makeContiguousUTF8()  // one that came from Objective-C is slow to walk
        let scalars = text.unicodeScalars
        var ids = [first]
        var word = Word()
        var place = scalars.startIndex
        while place < scalars.endIndex && ids.count < maxLength - 1 {
            if let literal = specialToken(at: scalars[place...]) {
                finish(&word, into: &ids)
                ids.append(literal.id)
                place = scalars.index(place, offsetBy: literal.scalars.count)
                continue
            }
            characters.read(scalars[place].value) { effect in
                switch effect {
                case .append(let codePoint):
                    word.append(codePoint)
                case .end:
                    finish(&word, into: &ids)
                case .alone(let codePoint):
                    finish(&word, into: &ids)
                    word.append(codePoint)
                    finish(&word, into: &ids)
                }
            }
            place = scalars.index(after: place)
        }
        finish(&word, into: &ids)
        return Array(ids.prefix(maxLength - 1)) + [last]
    }

    private func specialToken(
        at rest: Substring.UnicodeScalarView
    ) -> (scalars: [UInt32], id: Int32)? {
        guard rest.first == "[" else { return nil }
        return special.first { rest.lazy.map(\.value).starts(with: $0.scalars) }
    }

    /// Longest piece first; a word that can't be spelled is one [UNK].
    private func finish(_ word: inout Word, into ids: inout [Int32]) {
        guard word.count > 0 else { return }
        let before = ids.count
        var begin = 0
        while begin < word.bytes.count {
            guard word.count <= Self.longestWord, let (id, end) = piece(of: word.bytes, from: begin)
            else {
                ids.removeLast(ids.count - before)
                ids.append(unknown)
                break
            }
            ids.append(id)
            begin = end
        }
        word.bytes.removeAll(keepingCapacity: true)
        word.count = 0
    }

    private func piece(of bytes: [UInt8], from begin: Int) -> (id: Int32, end: Int)? {
        let pieces = begin == 0 ? initial : continued
        for end in stride(from: min(bytes.count, begin + longest), to: begin, by: -1) {
            if let id = pieces[bytes[begin..<end]] { return (id, end) }
        }
        return nil
    }

    /// A word that is being read.
    private struct Word {
        var bytes: [UInt8] = []
        var count = 0  // code points

        mutating func append(_ codePoint: UInt32) {
            guard let scalar = Unicode.Scalar(codePoint) else { return }
            count += 1
            // One longer than the longest is [UNK], whatever it holds: no need to keep it.
            if count <= WordPiece.longestWord { bytes.append(contentsOf: UTF8.encode(scalar)!) }
        }
    }
}
