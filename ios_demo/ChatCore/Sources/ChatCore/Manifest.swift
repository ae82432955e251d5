import Foundation

/// `manifest.json`, schema 1.1 and later of 1.
struct Manifest: Decodable {
    struct Tokenizer: Decodable {
        let type: String
        let lowercase: Bool
        let maxLength: Int
        let pieces: Int

        private enum CodingKeys: String, CodingKey {
            case type, lowercase, pieces
            case maxLength = "max_length"
        }
    }

    struct Entry: Decodable {
        let target: String
        let path: String
        let inputs: [String]
        let dtype: String
        let lengths: [Int]
        let dynamic: Bool
        let vocabulary: Int
        let recipe: [String: Anything]
        let quantization: String
        let minRuntime: String
        let reason: String
        let temperature: Double
        let threshold: Double
        let tolerance: Double
        let verifiedBy: String
        let metrics: [String: Anything]

        private enum CodingKeys: String, CodingKey {
            case target, path, inputs, dtype, lengths, dynamic, vocabulary, recipe, quantization
            case reason, temperature, threshold, tolerance, metrics
            case minRuntime = "min_runtime"
            case verifiedBy = "verified_by"
        }
    }

    /// A value that must be there and is not read here.
    struct Anything: Decodable {
        init(from decoder: any Decoder) throws {}
    }

    private struct Schema: Decodable {
        let schema: String
    }

    let name: String
    let labels: [String]
    let outOfScopeLabel: String
    let tokenizer: Tokenizer
    let artifacts: [String: Entry]
    let provenance: [String: Anything]
    let files: [String: Seal]

    private enum CodingKeys: String, CodingKey {
        case name, labels, tokenizer, artifacts, provenance, files
        case outOfScopeLabel = "out_of_scope_label"
    }

    static let file = "manifest.json"
    private static let major = 1  // others are refused
    private static let oldest = 1  // after the dot; characters.json came with it

    /// Parse `data`, and refuse values that no bundle has.
    init(_ data: Data) throws {
        let schema = try JSONDecoder().decode(Schema.self, from: data).schema
        let numbers = schema.split(separator: ".", omittingEmptySubsequences: false)
            .map { $0.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int($0) ?? -1 : -1 }
        guard numbers.count == 2, numbers[0] == Self.major, numbers[1] >= 0 else {
            throw ChatError.bundle(
                "The bundle has schema \(schema.prefix(20)), and this app reads \(Self.major).x. "
                    + "Update the app.")
        }
        guard numbers[1] >= Self.oldest else {
            throw ChatError.bundle(
                "The bundle has schema \(schema), and this app needs \(Self.major).\(Self.oldest). "
                    + "Make the bundle again.")
        }
        self = try JSONDecoder().decode(Manifest.self, from: data)
        try check()
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
                seals: files.filter { $0.key.split(separator: "/").first == entry.path[...] },
                inputs: entry.inputs,
                lengths: entry.lengths,
                dynamic: entry.dynamic,
                vocabulary: entry.vocabulary,
                labels: labels.count,
                minRuntime: entry.minRuntime,
                temperature: Float(entry.temperature),
                threshold: Float(entry.threshold),
                tolerance: Float(entry.tolerance),
                verifiedBy: entry.verifiedBy)
        }
        return found
    }
}
