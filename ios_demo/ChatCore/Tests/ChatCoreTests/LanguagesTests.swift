import Foundation
import XCTest

@testable import ChatCore

/// Vocabularies of nine languages, made by `tests/phone_languages.py` into the folder `LANGUAGES`.
final class LanguagesTests: XCTestCase {
    /// A text, and its ids by Hugging Face's tokenizers.
    private struct Case: Decodable {
        let text: String
        let ids: [Int32]

        init(from decoder: any Decoder) throws {
            var pair = try decoder.unkeyedContainer()
            text = try pair.decode(String.self)
            ids = try pair.decode([Int32].self)
        }
    }

    func testStringsOfEveryLanguageHaveTheIdsOfHuggingFace() throws {
        guard let place = ProcessInfo.processInfo.environment["LANGUAGES"] else {
            throw XCTSkip("not run: LANGUAGES names no folder of tests/phone_languages.py")
        }
        var count = 0
        let folders = try FileManager.default.contentsOfDirectory(
            at: URL(filePath: place), includingPropertiesForKeys: nil)
        for folder in folders {
            let table = try Data(contentsOf: folder.appending(path: "characters.json"))
            let tokenizer = try WordPiece(
                vocabulary: [UInt8](Data(contentsOf: folder.appending(path: "vocab.txt"))),
                characters: JSONDecoder().decode(CharacterTable.self, from: table),
                maxLength: 64)
            let lines = try Data(contentsOf: folder.appending(path: "strings.jsonl"))
            for line in lines.split(separator: 0x0A) {
                let one = try JSONDecoder().decode(Case.self, from: line)
                XCTAssertEqual(
                    tokenizer.encode(one.text), one.ids, "\(folder.lastPathComponent): \(one.text)")
                count += 1
            }
        }
        print("\(count) strings of \(folders.count) languages, every id equal to Hugging Face's")
        XCTAssertGreaterThanOrEqual(folders.count, 9)
    }
}
