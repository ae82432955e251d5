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

    private static let longestWord = 100  // code points

    /// - Parameters:
    ///   - vocabulary: the bytes of `vocab.txt`, a piece a line.
    ///   - characters: of the same bundle.
    ///   - maxLength: tokens, [CLS] and [SEP] included.
    public init(vocabulary: [UInt8], characters: CharacterTable, maxLength: Int) throws {
        var lines = vocabulary.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
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
        self.initial = initial
        self.continued = continued
        self.characters = characters
        self.maxLength = maxLength
    }

    /// Ids with [CLS] and [SEP]: at least 2, at most `maxLength`; what comes after is cut off.
    public func encode(_ text: String) -> [Int32] {
        let scalars = text.unicodeScalars.map(\.value)
        var ids = [first]
        var word = Word()
        var place = 0
        while place < scalars.count && ids.count < maxLength - 1 {
            if let literal = specialToken(in: scalars, at: place) {
                finish(&word, into: &ids)
                ids.append(literal.id)
                place += literal.scalars.count
                continue
            }
            characters.read(scalars[place]) { effect in
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
            place += 1
        }
        finish(&word, into: &ids)
        return Array(ids.prefix(maxLength - 1)) + [last]
    }

    private func specialToken(
        in scalars: [UInt32], at place: Int
    ) -> (scalars: [UInt32], id: Int32)? {
        guard scalars[place] == 0x5B else { return nil }  // "["
        return special.first { scalars[place...].starts(with: $0.scalars) }
    }

    /// Longest piece first; a word that can't be spelled is one [UNK].
    private func finish(_ word: inout Word, into ids: inout [Int32]) {
        defer { word = Word() }
        guard word.count > 0 else { return }
        let before = ids.count
        var begin = word.count > Self.longestWord ? -1 : 0
        while begin >= 0 && begin < word.bytes.count {
            let pieces = begin == 0 ? initial : continued
            let most = min(word.bytes.count, begin + longest)
            guard
                let end = stride(from: most, to: begin, by: -1)
                    .first(where: { pieces[word.bytes[begin..<$0]] != nil }),
                let id = pieces[word.bytes[begin..<end]]
            else {
                begin = -1
                break
            }
            ids.append(id)
            begin = end
        }
        if begin < 0 {
            ids.removeLast(ids.count - before)
            ids.append(unknown)
        }
    }

    /// A word that is being read.
    private struct Word {
        var bytes: [UInt8] = []
        var count = 0  // code points

        mutating func append(_ codePoint: UInt32) {
            guard let scalar = Unicode.Scalar(codePoint) else { return }
            bytes.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
            count += 1
        }
    }
}
