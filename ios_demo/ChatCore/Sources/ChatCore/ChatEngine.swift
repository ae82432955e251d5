import Dispatch
import Foundation

/// One answer; `intent` is nil where the text was not understood.
public struct Answer: Sendable, Equatable {
    public let reply: String
    public let intent: String?
    public let nearest: String
    public let confidence: Float
    public let tokenizeNanos: UInt64
    public let inferenceNanos: UInt64

    public init(
        reply: String, intent: String?, nearest: String, confidence: Float,
        tokenizeNanos: UInt64, inferenceNanos: UInt64
    ) {
        self.reply = reply
        self.intent = intent
        self.nearest = nearest
        self.confidence = confidence
        self.tokenizeNanos = tokenizeNanos
        self.inferenceNanos = inferenceNanos
    }
}

/// Nanoseconds of a clock that never goes back.
public typealias NanoClock = @Sendable () -> UInt64

/// The system's own.
public let systemClock: NanoClock = { DispatchTime.now().uptimeNanoseconds }

/// Tokenise, classify, apply temperature and threshold, choose a reply.
public struct ChatEngine: Sendable {
    private let bundle: ChatBundle
    private let artifact: Artifact
    private let classifier: Classifier
    private let clock: NanoClock
    private var turns: [String: Int] = [:]

    public init(
        bundle: ChatBundle, artifact: Artifact, classifier: Classifier,
        clock: @escaping NanoClock = systemClock
    ) {
        self.bundle = bundle
        self.artifact = artifact
        self.classifier = classifier
        self.clock = clock
    }

    /// Answer any text: empty, too long or of any script. Throws `ChatError`.
    public mutating func answer(_ text: String) async throws -> Answer {
        let begun = clock()
        let ids = await interval("tokenise") { bundle.tokenizer.encode(text) }
        let tokenized = clock()
        let logits = try await interval("infer") { try await classifier.logits(ids) }
        let done = clock()
        guard let best = logits.indices.max(by: { logits[$0] < logits[$1] }),
            best < bundle.labels.count
        else {
            throw ChatError.runtime(
                "\(classifier.runtime) gives \(logits.count) logits, and "
                    + "\(bundle.labels.count) labels are sealed. Make the bundle again.")
        }
        let nearest = bundle.labels[best]
        // [CLS] and [SEP] alone: a text without a token says nothing, whatever the logits are.
        let understood = ids.count > 2 && logits[best] >= artifact.threshold
        return Answer(
            reply: reply(to: understood ? nearest : bundle.outOfScopeLabel),
            intent: understood ? nearest : nil,
            nearest: nearest,
            confidence: confidence(logits, best),
            tokenizeNanos: tokenized - begun,
            inferenceNanos: done - tokenized)
    }

    /// Softmax of the logits over the temperature.
    private func confidence(_ logits: [Float], _ best: Int) -> Float {
        let sum = logits.reduce(0.0) { sum, logit in
            sum + exp(Double(logit - logits[best]) / Double(artifact.temperature))
        }
        return Float(1 / sum)
    }

    /// The intent's replies in turn.
    private mutating func reply(to intent: String) -> String {
        guard let replies = bundle.replies[intent], !replies.isEmpty else {
            return "(no reply is written for \(intent))"
        }
        let turn = turns[intent, default: 0]
        turns[intent] = turn + 1
        return replies[turn % replies.count]
    }
}
