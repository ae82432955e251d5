import ChatCore
import Foundation

/// What a bundle has for this app.
struct Carried: Sendable, Equatable {
    let bundle: String
    let runtimes: [Runtime]  // in the order in which they are tried
}

/// What answers have cost in the runtime that is open.
struct Cost: Sendable, Equatable {
    let steps: Steps
    let inferences: [Double]  // milliseconds
}

/// What the chat needs, as closures; each may take a while and throws `ChatError`.
struct Assistant: Sendable {
    /// Open the bundle, and tell what it has.
    var carried: @Sendable () async throws -> Carried
    /// Load a runtime and have it reproduce the golden cases; how far its logits were from those.
    /// Where it throws, the runtime that was open before still answers.
    var open: @Sendable (Runtime) async throws -> Float
    /// Operations by where Core ML plans to run them; nil where that is not known.
    var placement: @Sendable (Runtime) async -> [String: Int]?
    var answer: @Sendable (String) async throws -> (Answer, Cost?)
}

extension Assistant {
    /// Over the bundle in `folder`, off the main thread; signed, where there is a `key` in PEM.
    static func live(
        folder: URL, key: String? = nil,
        loader: @escaping @Sendable (Runtime) -> ClassifierLoader? = { $0.loader }
    ) -> Assistant {
        let session = ChatSession(folder: folder, key: key, loader: loader)
        return Assistant(
            carried: { try await session.carried() },
            open: { try await session.open($0) },
            placement: { await session.placement($0) },
            answer: { try await session.answer($0) })
    }

    /// The reply to one question, by the first runtime that reproduces the golden cases.
    func reply(to question: String) async throws -> String {
        var refusal: any Error = ChatError.bundle("The bundle carries nothing that this app runs.")
        for runtime in try await carried().runtimes {
            do {
                _ = try await open(runtime)
                return try await answer(question).0.reply
            } catch {
                refusal = error
            }
        }
        throw refusal
    }

    /// Answers at once and always the same.
    static let preview = Assistant(
        carried: { Carried(bundle: "assistant", runtimes: Runtime.allCases) },
        open: { _ in 0.012 },
        placement: { _ in ["Neural Engine": 31, "CPU": 2] },
        answer: { text in
            let answer = Answer(
                reply: "It is ten past nine.", intent: text.contains("?") ? "time" : nil,
                nearest: "time", confidence: 0.98, tokenizeNanos: 20_000, inferenceNanos: 400_000)
            var recorder = LatencyRecorder()
            recorder.add(answer, nanos: 450_000)
            return (answer, recorder.steps.map { Cost(steps: $0, inferences: [0.4]) })
        })

    /// Always the same error.
    static func failing(_ error: ChatError) -> Assistant {
        Assistant(
            carried: { throw error }, open: { _ in throw error }, placement: { _ in nil },
            answer: { _ in throw error })
    }
}

/// The bundle that is open, and what answers have cost so far.
private actor ChatSession {
    private let folder: URL
    private let key: String?
    private let loader: @Sendable (Runtime) -> ClassifierLoader?
    private var bundle: ChatBundle?
    private var engine: ChatEngine?
    private var recorder = LatencyRecorder()
    private var openings = 0

    init(
        folder: URL, key: String?, loader: @escaping @Sendable (Runtime) -> ClassifierLoader?
    ) {
        self.folder = folder
        self.key = key
        self.loader = loader
    }

    func carried() throws -> Carried {
        let bundle = try opened()
        let runtimes = Runtime.allCases.filter {
            bundle.artifacts[$0.artifact] != nil && loader($0) != nil
        }
        return Carried(bundle: bundle.name, runtimes: runtimes)
    }

    func open(_ runtime: Runtime) async throws -> Float {
        let bundle = try opened()
        guard let loader = loader(runtime) else {
            throw ChatError.missing("This build has no \(runtime.rawValue). Choose another.")
        }
        let artifact = try bundle.artifact(runtime.artifact)
        let classifier = try await bundle.load(runtime.artifact, with: loader)
        // Nothing waits from here on: what is open and what is returned are of one runtime.
        engine = ChatEngine(bundle: bundle, artifact: artifact, classifier: classifier)
        recorder = LatencyRecorder()
        openings += 1
        return classifier.difference ?? 0
    }

    func placement(_ runtime: Runtime) async -> [String: Int]? {
        #if canImport(CoreML)
            guard runtime.artifact == Runtime.coreML.artifact,
                let artifact = bundle?.artifacts[runtime.artifact]
            else { return nil }
            return try? await runtime.placement(of: artifact)
        #else
            return nil
        #endif
    }

    func answer(_ text: String) async throws -> (Answer, Cost?) {
        guard var engine else { throw ChatError.runtime("Nothing is open. Try again.") }
        let (begun, opening) = (systemClock(), openings)
        let answer = try await engine.answer(text)
        let nanos = systemClock() - begun
        // Another runtime may have been opened meanwhile: what it costs is counted anew.
        guard opening == openings else { return (answer, nil) }
        recorder.add(answer, nanos: nanos)
        self.engine = engine  // whose replies come in turn
        let cost = recorder.steps.map { Cost(steps: $0, inferences: recorder.inferences) }
        return (answer, cost)
    }

    private func opened() throws -> ChatBundle {
        let opened = try bundle ?? ChatBundle.open(folder, key: key)
        bundle = opened
        return opened
    }
}
