import Foundation
import XCTest

@testable import ChatCore

final class ChatBundleTests: XCTestCase {
    private var copy: URL?
    private var folder: URL { copy! }

    override func setUpWithError() throws {
        copy = try Given.copy()
    }

    override func tearDownWithError() throws {
        if let copy { try FileManager.default.removeItem(at: copy) }
    }

    private func refused(
        _ why: String, key: String? = nil, line: UInt = #line
    ) {
        XCTAssertThrowsError(try ChatBundle.open(folder, key: key), line: line) { error in
            guard case .bundle(let message)? = error as? ChatError else {
                return XCTFail("\(error)", line: line)
            }
            XCTAssertTrue(message.contains(why), message, line: line)
        }
    }

    private func edit(_ name: String, _ change: (inout Data) -> Void) throws {
        let file = folder.appending(path: name)
        var data = try Data(contentsOf: file)
        change(&data)
        try data.write(to: file)
    }

    private func editSchema(_ schema: String) throws {
        let file = folder.appending(path: "manifest.json")
        let text = try String(contentsOf: file, encoding: .utf8)
        let edited = text.replacing(
            /"schema": "1\.\d+"/, with: "\"schema\": \"\(schema)\"", maxReplacements: 1)
        XCTAssertNotEqual(edited, text)
        try edited.write(to: file, atomically: true, encoding: .utf8)
    }

    func testPartOfABundleOpensAndSaysWhatItLacks() throws {
        let bundle = try ChatBundle.open(folder)
        XCTAssertEqual(bundle.labels.count, Given.artifact.labels)
        XCTAssertTrue(bundle.artifacts.isEmpty)
        XCTAssertThrowsError(try bundle.artifact("coreml")) { error in
            XCTAssertTrue("\(error)".contains("carries no coreml artefact"))
        }
    }

    func testChangedByteIsRefused() throws {
        try edit("replies.json") { $0[10] ^= 1 }
        refused("was sealed: it was changed")
    }

    func testOtherSizeIsRefused() throws {
        try edit("vocab.txt") { $0.append(0x0A) }
        refused("were sealed. Install it again")
    }

    func testMissingFileIsRefused() throws {
        try FileManager.default.removeItem(at: folder.appending(path: "characters.json"))
        refused("characters.json is missing")
    }

    func testHalfAnArtefactIsRefused() throws {
        let package = folder.appending(path: "coreml.mlpackage")
        try FileManager.default.createDirectory(at: package, withIntermediateDirectories: true)
        try Data("{}".utf8).write(to: package.appending(path: "Manifest.json"))
        refused("coreml.mlpackage")
    }

    func testAddedFileIsRefused() throws {
        try Data().write(to: folder.appending(path: "more.txt"))
        refused("more.txt is not in the manifest")
    }

    func testLinkIsRefused() throws {
        let file = folder.appending(path: "vocab.txt")
        try FileManager.default.removeItem(at: file)
        try FileManager.default.createSymbolicLink(
            at: file, withDestinationURL: Given.folder.appending(path: "vocab.txt"))
        refused("is a link")
    }

    func testLaterSchemaIsRefusedByName() throws {
        try editSchema("2.0")
        refused("has schema 2.0, and this app reads 1.x. Update the app")
    }

    func testEarlierSchemaIsRefusedByName() throws {
        try editSchema("1.0")
        refused("has schema 1.0, and this app needs 1.1")
    }

    func testManifestThatIsNoneIsRefused() throws {
        for text in ["", "{", "[]", "null", #"{"schema": "1.1"}"#, #"{"schema": 3}"#] {
            try edit("manifest.json") { $0 = Data(text.utf8) }
            refused("Make it again")
        }
        try FileManager.default.removeItem(at: folder.appending(path: "manifest.json"))
        refused("holds no manifest.json")
    }

    func testUnsignedBundleIsRefusedWhereAKeyIsGiven() {
        refused("holds no manifest.sig", key: "any")
    }

    private func refused(
        _ classifier: Classifier, by bundle: ChatBundle, _ why: String, line: UInt = #line
    ) async {
        do {
            try await bundle.check(classifier, of: Given.artifact)
            XCTFail("let pass", line: line)
        } catch {
            XCTAssertTrue("\(error)".contains(why), "\(error)", line: line)
        }
    }

    /// What was sealed for the golden texts, changed by `change`.
    private func sealed(
        _ bundle: ChatBundle, rounding: Float = 0, change: @escaping @Sendable ([Float]) -> [Float]
    ) -> Classifier {
        let sealed = Dictionary(
            bundle.golden.map { ($0.ids, $0.logits["coreml"] ?? []) }, uniquingKeysWith: { $1 })
        return Classifier(runtime: "sealed", rounding: rounding) { change(sealed[$0] ?? []) }
    }

    func testOtherLogitsThanSealedAreRefused() async throws {
        let bundle = try ChatBundle.open(folder)
        for (wrong, why) in [
            (Given.logits(0, 99), "logits that differ by"),
            ([Float](repeating: .nan, count: 34), "logits that differ by nan"),
            ([1], "gives golden text 0 1 logits, and 34 labels are sealed"),
        ] {
            await refused(.fixed(wrong), by: bundle, why)
        }
        // Planted the other way round: a classifier that knows what was sealed is let pass.
        let same = try await bundle.check(sealed(bundle) { $0 }, of: Given.artifact)
        XCTAssertEqual(same, 0)
    }

    func testHalfPrecisionMayRoundFurtherAndNeverChangeALabel() async throws {
        let bundle = try ChatBundle.open(folder)
        let up: @Sendable ([Float]) -> [Float] = { $0.map { $0 + 0.25 } }
        await refused(sealed(bundle, change: up), by: bundle, "logits that differ by")
        let half = try await bundle.check(
            sealed(bundle, rounding: 0.3, change: up), of: Given.artifact)
        XCTAssertEqual(half, 0.25, accuracy: 1e-5)
        // Planted: the second best comes first, although every logit is within 100.
        let other = sealed(bundle, rounding: 100) { row in
            guard let best = row.indices.max(by: { row[$0] < row[$1] }) else { return row }
            var row = row
            row[best] -= 50
            return row
        }
        await refused(other, by: bundle, "another label than was sealed")
    }

    func testDigestIsThatOfFips180() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        XCTAssertEqual(sha256(Data()), empty)
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        XCTAssertEqual(sha256(Data("abc".utf8)), abc)
        let long = "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"
        XCTAssertEqual(sha256(Data(repeating: 0x61, count: 1000)), long)
    }
}
