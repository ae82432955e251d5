import Foundation
import XCTest

@testable import ChatCore

final class WordPieceTests: XCTestCase {
    func testGoldenCasesHaveTheSealedIds() throws {
        let bundle = try Given.bundle()
        XCTAssertGreaterThanOrEqual(bundle.golden.count, 200)
        for golden in bundle.golden {
            XCTAssertEqual(bundle.tokenizer.encode(golden.text), golden.ids, golden.text)
        }
    }

    /// Ids by Hugging Face's tokenizers, a digest for every block of texts.
    func testGeneratedTextsHaveTheIdsOfHuggingFace() throws {
        struct Expected: Decodable {
            let block: Int
            let sha256: [String]
        }
        let file = Given.demo.appending(path: "ChatCore/Tests/strings.json")
        let expected = try JSONDecoder().decode(Expected.self, from: Data(contentsOf: file))
        let bundle = try Given.bundle()
        let vocabulary = try Data(contentsOf: bundle.folder.appending(path: "vocab.txt"))
        var texts = GeneratedTexts(
            vocabulary: [UInt8](vocabulary), real: bundle.golden.map(\.text))
        for (number, digest) in expected.sha256.enumerated() {
            var lines = ""
            for _ in 0..<expected.block {
                let ids = bundle.tokenizer.encode(texts.next())
                lines += ids.map { "\($0)" }.joined(separator: " ") + "\n"
            }
            XCTAssertEqual(sha256(Data(lines.utf8)), digest, "texts of block \(number)")
        }
        XCTAssertGreaterThanOrEqual(expected.sha256.count * expected.block, 100_000)
    }

    func testCanonicallyEquivalentTextsKeepTheirOwnIds() throws {
        // Swift takes these strings for one; the tokenizer must see the code points.
        let tokenizer = try WordPiece(
            vocabulary: [UInt8]("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\u{212B}\n\u{C5}\n".utf8),
            characters: JSONDecoder().decode(
                CharacterTable.self,
                from: Data(
                    #"{"drop":[],"space":[[32,32]],"alone":[],"replace":[],"hangul":false}"#.utf8)),
            maxLength: 8)
        XCTAssertEqual(tokenizer.encode("\u{C5} \u{212B}"), [2, 6, 5, 3])
    }

    func testLongTextIsCut() throws {
        let tokenizer = try Given.bundle().tokenizer
        let ids = tokenizer.encode(String(repeating: "hello ", count: 10_000))
        XCTAssertEqual(ids.count, 64)
        XCTAssertEqual(ids.last, tokenizer.encode("").last)
    }

    func testOneLongWordCostsNoMoreThanAsManyShortOnes() throws {
        let tokenizer = try Given.bundle().tokenizer
        let unknown = tokenizer.encode("x y")[1...].count  // warm
        XCTAssertEqual(unknown, 3)
        let clock = ContinuousClock()
        func cost(_ count: Int) -> Duration {
            let word = String(repeating: "x", count: count)
            return clock.measure { XCTAssertEqual(tokenizer.encode(word).count, 3) }
        }
        _ = cost(1_000_000)
        let one = (0..<3).map { _ in cost(1_000_000) }.min()!
        let four = (0..<3).map { _ in cost(4_000_000) }.min()!
        XCTAssertLessThan(four, one * 8, "\(one) for a million, \(four) for four")
        // What is cut off is not read: the million words after the first 62 cost nothing.
        let words = String(repeating: "hello ", count: 1_000_000)
        XCTAssertLessThan(clock.measure { _ = tokenizer.encode(words) }, one)
    }
}
