import Foundation

/// One artefact of a bundle, and how it is to be called; fields as in `docs/bundle.md`.
public struct Artifact: Sendable, Equatable {
    public let name: String
    /// A file, or the folder of an `.mlpackage`.
    public let url: URL
    /// Of every file of it, by its path in the bundle.
    public let seals: [String: Seal]
    public let inputs: [String]
    public let lengths: [Int]
    public let dynamic: Bool
    public let vocabulary: Int
    public let labels: Int
    public let minRuntime: String
    public let temperature: Float
    public let threshold: Float
    public let tolerance: Float
    /// What computed the sealed logits and the tolerance.
    public let verifiedBy: String

    public init(
        name: String, url: URL, seals: [String: Seal], inputs: [String], lengths: [Int],
        dynamic: Bool, vocabulary: Int, labels: Int, minRuntime: String, temperature: Float,
        threshold: Float, tolerance: Float, verifiedBy: String
    ) {
        self.name = name
        self.url = url
        self.seals = seals
        self.inputs = inputs
        self.lengths = lengths
        self.dynamic = dynamic
        self.vocabulary = vocabulary
        self.labels = labels
        self.minRuntime = minRuntime
        self.temperature = temperature
        self.threshold = threshold
        self.tolerance = tolerance
        self.verifiedBy = verifiedBy
    }

    /// The shortest sequence length that holds `tokens`.
    public func length(for tokens: Int) -> Int {
        if dynamic { return max(tokens, lengths.first ?? tokens) }
        return lengths.first { $0 >= tokens } ?? tokens
    }

    /// Refuse ids that would harm a runtime.
    public func check(_ ids: [Int32]) throws {
        let most = lengths.last ?? 0
        guard (1...max(1, most)).contains(ids.count) else {
            throw ChatError.input(
                "The sequence has \(ids.count) tokens; give 1 to \(most), or truncate.")
        }
        if let bad = ids.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
            throw ChatError.input(
                "input_ids hold \(bad); values from 0 to \(vocabulary - 1) are allowed. "
                    + "Encode with the bundle's own vocabulary.")
        }
    }

    /// `logits` of `runtime`, one a label.
    public func check(_ logits: [Float], of runtime: String) throws -> [Float] {
        guard logits.count == labels else {
            throw ChatError.runtime(
                "\(runtime) gives \(logits.count) logits, and \(labels) labels are sealed. "
                    + "Make the bundle again.")
        }
        return logits
    }

    /// The artefact's digest as Python computes it: of the file, or of a folder's files by name.
    public var sha256: String {
        if seals.count == 1, let only = seals.first, only.key == url.lastPathComponent {
            return only.value.sha256
        }
        let root = url.lastPathComponent + "/"
        let lines = seals.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { "\($0.key.dropFirst(root.count))\0\($0.value.sha256)\n" }
        return ChatCore.sha256(Data(lines.joined().utf8))
    }
}

/// What the manifest says of one file.
public struct Seal: Sendable, Equatable, Decodable {
    public let sha256: String
    public let bytes: Int

    public init(sha256: String, bytes: Int) {
        self.sha256 = sha256
        self.bytes = bytes
    }
}
