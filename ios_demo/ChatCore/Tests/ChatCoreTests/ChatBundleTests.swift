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

    private func editManifest(_ from: String, _ to: String) throws {
        let file = folder.appending(path: "manifest.json")
        let text = try String(contentsOf: file, encoding: .utf8)
        XCTAssertTrue(text.contains(from))
        try text.replacingOccurrences(of: from, with: to)
            .write(to: file, atomically: true, encoding: .utf8)
    }

    func testPartOfABundleOpensAndSaysWhatItLacks() throws {
        let bundle = try ChatBundle.open(folder)
        XCTAssertEqual(bundle.labels.count, 34)
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
            at: file, withDestinationURL: Given.folder.appending(path: "bundle/vocab.txt"))
        refused("is a link")
    }

    func testLaterSchemaIsRefusedByName() throws {
        try editManifest(#""schema": "1.1""#, #""schema": "2.0""#)
        refused("has schema 2.0, and this app reads 1.x. Update the app")
    }

    func testEarlierSchemaIsRefusedByName() throws {
        try editManifest(#""schema": "1.1""#, #""schema": "1.0""#)
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
        refused("has no manifest.sig", key: "any")
    }

    func testOtherLogitsThanSealedAreRefused() throws {
        let bundle = try ChatBundle.open(folder)
        for wrong in [Given.logits(0, 99), [Float](repeating: .nan, count: 34), [1]] {
            XCTAssertThrowsError(try bundle.check(.fixed(wrong), of: Given.artifact)) { error in
                XCTAssertTrue("\(error)".contains("logits that differ by"), "\(error)")
            }
        }
        // Planted the other way round: a classifier that knows what was sealed is let pass.
        let sealed = Dictionary(
            bundle.golden.map { ($0.ids, $0.logits["coreml"] ?? []) }, uniquingKeysWith: { $1 })
        let right = Classifier(runtime: "sealed") { ids in sealed[ids] ?? [] }
        let artifact = Artifact(
            name: "coreml", url: Given.artifact.url, seals: [:], inputs: [], lengths: [64],
            dynamic: false, vocabulary: 8000, labels: 34, minRuntime: "", temperature: 1,
            threshold: 0, tolerance: 0.5)
        XCTAssertNoThrow(try bundle.check(right, of: artifact))
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
