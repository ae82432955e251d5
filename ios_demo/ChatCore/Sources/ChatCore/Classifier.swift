/// A loaded artefact, as closures: an app has `coreML`, `executorch` or `liteRT`; tests and previews
/// have `fixed` and `failing`.
public struct Classifier: Sendable {
    /// What computes the logits, with its version.
    public let runtime: String
    /// Logits, one a label, of the ids of one text; throws `ChatError`. One call at a time.
    public let logits: @Sendable ([Int32]) throws -> [Float]

    public init(runtime: String, logits: @escaping @Sendable ([Int32]) throws -> [Float]) {
        self.runtime = runtime
        self.logits = logits
    }
}

extension Classifier {
    /// Always the same logits, for tests and previews.
    public static func fixed(_ logits: [Float]) -> Classifier {
        Classifier(runtime: "fixed") { _ in logits }
    }

    /// Always the same error.
    public static func failing(_ error: ChatError) -> Classifier {
        Classifier(runtime: "failing") { _ in throw error }
    }
}

/// Makes classifiers of one runtime; throws `ChatError` where the runtime refuses the file.
public typealias ClassifierLoader = @Sendable (Artifact) throws -> Classifier
