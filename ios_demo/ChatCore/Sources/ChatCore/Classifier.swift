/// A loaded artefact, as closures: an app has one for each runtime; tests and previews have `fixed`
/// and `failing`.
public struct Classifier: Sendable {
    /// What computes the logits, with its version.
    public let runtime: String
    /// That it computes on; nil where the runtime does not tell.
    public let threads: Int?
    /// How far the runtime's own arithmetic may take a logit, where that is more than was sealed.
    public let rounding: Float
    /// The largest difference to a sealed logit; nil before `ChatBundle.load` has compared them.
    public internal(set) var difference: Float?
    /// Logits, one a label, of the ids of one text; throws `ChatError`. One call at a time. Core AI's
    /// can only be awaited; the others' take their time at once.
    public let logits: @Sendable ([Int32]) async throws -> [Float]

    public init(
        runtime: String, threads: Int? = nil, rounding: Float = 0,
        logits: @escaping @Sendable ([Int32]) async throws -> [Float]
    ) {
        self.runtime = runtime
        self.threads = threads
        self.rounding = rounding
        self.logits = logits
    }
}

extension Classifier {
    /// Always the same logits, for tests and previews.
    public static func fixed(_ logits: [Float]) -> Classifier {
        Classifier(runtime: "fixed", threads: 1) { _ in logits }
    }

    /// Always the same error.
    public static func failing(_ error: ChatError) -> Classifier {
        Classifier(runtime: "failing") { _ in throw error }
    }
}

/// Makes classifiers of one runtime; throws `ChatError` where the runtime refuses the file.
public typealias ClassifierLoader = @Sendable (Artifact) async throws -> Classifier
