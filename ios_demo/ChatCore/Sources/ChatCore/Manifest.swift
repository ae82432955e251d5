import Foundation

/// `manifest.json`, schema 1.1 and later of 1.
struct Manifest: Decodable {
    struct Tokenizer: Decodable {
        let maxLength: Int

        private enum CodingKeys: String, CodingKey {
            case maxLength = "max_length"
        }
    }

    struct Entry: Decodable {
        let path: String
        let inputs: [String]
        let lengths: [Int]
        let dynamic: Bool
        let vocabulary: Int
        let minRuntime: String
        let temperature: Float
        let threshold: Float
        let tolerance: Float

        private enum CodingKeys: String, CodingKey {
            case path, inputs, lengths, dynamic, vocabulary, temperature, threshold, tolerance
            case minRuntime = "min_runtime"
        }
    }

    private struct Schema: Decodable {
        let schema: String
    }

    let name: String
    let labels: [String]
    let outOfScopeLabel: String
    let tokenizer: Tokenizer
    let artifacts: [String: Entry]
    let files: [String: Seal]

    private enum CodingKeys: String, CodingKey {
        case name, labels, tokenizer, artifacts, files
        case outOfScopeLabel = "out_of_scope_label"
    }

    static let file = "manifest.json"
    private static let major = 1  // others are refused
    private static let oldest = 1  // after the dot; characters.json came with it

    static func data(in folder: URL) throws -> Data {
        do {
            return try Data(contentsOf: folder.appending(path: file))
        } catch {
            throw ChatError.bundle("\(folder.path) holds no \(file). Install a bundle.")
        }
    }

    init(_ data: Data) throws {
        let schema = try JSONDecoder().decode(Schema.self, from: data).schema
        let numbers = schema.split(separator: ".").map { Int($0) ?? -1 }
        guard numbers.count == 2, numbers[0] == Self.major else {
            throw ChatError.bundle(
                "The bundle has schema \(schema), and this app reads \(Self.major).x. "
                    + "Update the app.")
        }
        guard numbers[1] >= Self.oldest else {
            throw ChatError.bundle(
                "The bundle has schema \(schema), and this app needs \(Self.major).\(Self.oldest). "
                    + "Make the bundle again.")
        }
        self = try JSONDecoder().decode(Manifest.self, from: data)
    }

    /// Those that are there: an app may carry a part of a bundle.
    func artifacts(in folder: URL) -> [String: Artifact] {
        var found: [String: Artifact] = [:]
        for (name, entry) in artifacts {
            let url = folder.appending(path: entry.path)
            guard FileManager.default.fileExists(atPath: url.path) else { continue }
            found[name] = Artifact(
                name: name,
                url: url,
                seals: files.filter {
                    $0.key == entry.path || $0.key.hasPrefix(entry.path + "/")
                },
                inputs: entry.inputs,
                lengths: entry.lengths,
                dynamic: entry.dynamic,
                vocabulary: entry.vocabulary,
                labels: labels.count,
                minRuntime: entry.minRuntime,
                temperature: entry.temperature,
                threshold: entry.threshold,
                tolerance: entry.tolerance)
        }
        return found
    }
}
