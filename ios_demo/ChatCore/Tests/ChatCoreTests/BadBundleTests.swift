import Foundation
import XCTest

@testable import ChatCore

#if canImport(CryptoKit)
    import CryptoKit
#endif

/// The one list of bad bundles, which Python's and Kotlin's tests read too; its `about` explains
/// the edits.
final class BadBundleTests: XCTestCase {
    private struct List: Decodable {
        let bundles: [Bad]
    }

    private struct Bad: Decodable {
        let name: String
        let edits: [Edit]
        let signed: String?
        let readers: [String]?
    }

    private struct Edit: Decodable {
        let action: String
        let file: String
        let at: [Place]?
        let json: String?
        let text: String?
        let to: String?
        let bytes: Int?
        let byte: Int?
        let times: Int?

        private enum CodingKeys: String, CodingKey {
            case file, at, json, text, to, bytes, byte, times
            case action = "do"
        }
    }

    private enum Place: Decodable {
        case key(String)
        case index(Int)

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let index = try? value.decode(Int.self) {
                self = .index(index)
            } else {
                self = .key(try value.decode(String.self))
            }
        }
    }

    private static let here = "@@here@@"

    func testEveryBadBundleIsRefused() throws {
        let file = Given.demo.appending(path: "../tests/bad_bundles.json")
        let list = try JSONDecoder().decode(List.self, from: Data(contentsOf: file))
        let mine = list.bundles.filter { $0.readers?.contains("swift") ?? true }
        XCTAssertGreaterThan(mine.count, 300)
        for bad in mine {
            let folder = try spoil(bad)
            defer { try? FileManager.default.removeItem(at: folder.deletingLastPathComponent()) }
            let key = try bad.signed.map { try sign(folder, as: $0, bad) }
            XCTAssertThrowsError(try ChatBundle.open(folder, key: key), bad.name) { error in
                guard case .bundle? = error as? ChatError else {
                    return XCTFail("\(bad.name): \(error)")
                }
            }
        }
    }

    /// The list's tool spoils nothing by itself: what it writes back unchanged opens.
    func testEditThatChangesNothingIsNoBadBundle() throws {
        let folder = try Given.copy()
        defer { try? FileManager.default.removeItem(at: folder) }
        let edits = #"""
            [{"do": "set", "file": "manifest.json", "at": ["name"], "json": "\"assistant\""},
             {"do": "seal", "file": "replies.json"}]
            """#
        for edit in try JSONDecoder().decode([Edit].self, from: Data(edits.utf8)) {
            try apply(edit, in: folder)
        }
        XCTAssertEqual(try ChatBundle.open(folder).name, "assistant")
    }

    /// A copy of the good bundle with the edits of `bad`; those of a signed one come after `sign`.
    private func spoil(_ bad: Bad) throws -> URL {
        let parent = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        let folder = parent.appending(path: "bundle")
        try FileManager.default.moveItem(at: Given.copy(), to: folder)
        if bad.signed == nil { for edit in bad.edits { try apply(edit, in: folder) } }
        return folder
    }

    private func apply(_ edit: Edit, in folder: URL) throws {
        let file = folder.appending(path: edit.file)
        switch edit.action {
        case "set", "delete":
            let document = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
            let changed = change(document, edit.at ?? [], delete: edit.action == "delete")
            let text = String(
                decoding: try JSONSerialization.data(withJSONObject: changed), as: UTF8.self)
            let written = text.replacingOccurrences(of: "\"\(Self.here)\"", with: edit.json ?? "")
            try Data(written.utf8).write(to: file)
        case "write", "repeat":
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            let text = String(repeating: edit.text ?? "", count: edit.times ?? 1)
            try Data(text.utf8).write(to: file)
        case "append":
            try (Data(contentsOf: file) + Data((edit.text ?? "").utf8)).write(to: file)
        case "cut", "grow":
            let handle = try FileHandle(forWritingTo: file)
            try handle.truncate(atOffset: UInt64(edit.bytes ?? 0))
            try handle.close()
        case "flip":
            var content = try Data(contentsOf: file)
            content[edit.byte ?? 0] ^= 0x80
            try content.write(to: file)
        case "remove":
            try FileManager.default.removeItem(at: file)
        case "link":
            try link(file, to: edit.to ?? "")
        case "seal":
            try seal(edit.file, in: folder)
        default:
            XCTFail("the list asks for \(edit.action), which is not known here")
        }
    }

    private func change(_ value: Any, _ at: [Place], delete: Bool) -> Any {
        guard let first = at.first else { return Self.here }
        let rest = Array(at.dropFirst())
        if var object = value as? [String: Any], case .key(let key) = first {
            for one in key == "*" ? Array(object.keys) : [key] {
                let gone = delete && rest.isEmpty
                object[one] = gone ? nil : change(object[one] ?? "", rest, delete: delete)
            }
            return object
        }
        guard var list = value as? [Any] else { return value }
        switch first {
        case .key("+"): list.append(Self.here)
        case .index(let index) where delete && rest.isEmpty: list.remove(at: index)
        case .index(let index): list[index] = change(list[index], rest, delete: delete)
        case .key: list = list.map { change($0, rest, delete: delete) }
        }
        return list
    }

    private func link(_ file: URL, to place: String) throws {
        guard place == "moved" else {
            return try FileManager.default.createSymbolicLink(
                atPath: file.path, withDestinationPath: place)
        }
        let aside = file.deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "moved-\(file.lastPathComponent)")
        try FileManager.default.moveItem(at: file, to: aside)
        try FileManager.default.createSymbolicLink(at: file, withDestinationURL: aside)
    }

    private func seal(_ name: String, in folder: URL) throws {
        let data = try Data(contentsOf: folder.appending(path: name))
        let seal = #"{"sha256": "\#(sha256(data))", "bytes": \#(data.count)}"#
        let edit = #"{"do": "set", "file": "manifest.json", "at": ["files", "\#(name)"]}"#
        let decoded = try JSONDecoder().decode(Edit.self, from: Data(edit.utf8))
        let file = folder.appending(path: decoded.file)
        let document = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        let changed = change(document, decoded.at ?? [], delete: false)
        let text = String(
            decoding: try JSONSerialization.data(withJSONObject: changed), as: UTF8.self)
        try Data(text.replacingOccurrences(of: "\"\(Self.here)\"", with: seal).utf8).write(to: file)
    }

    /// Sign the bundle by the key `who`, then spoil it; the public key that a reader is given.
    private func sign(_ folder: URL, as who: String, _ bad: Bad) throws -> String {
        let manifest = try Data(contentsOf: folder.appending(path: "manifest.json"))
        #if canImport(CryptoKit)
            let own = P256.Signing.PrivateKey()
            let signature =
                switch who {
                case "key": try own.signature(for: manifest).derRepresentation
                case "another curve":
                    try P384.Signing.PrivateKey().signature(for: manifest).derRepresentation
                default:
                    try P256.Signing.PrivateKey().signature(for: manifest).derRepresentation
                }
            let key = own.publicKey.pemRepresentation
        #else
            let signature = manifest.prefix(70)  // none is checked without CryptoKit
            let key = "a key"
        #endif
        try signature.write(to: folder.appending(path: "manifest.sig"))
        #if canImport(CryptoKit)
            if who == "key" { XCTAssertNoThrow(try ChatBundle.open(folder, key: key), bad.name) }
        #endif
        for edit in bad.edits { try apply(edit, in: folder) }
        return key
    }
}
