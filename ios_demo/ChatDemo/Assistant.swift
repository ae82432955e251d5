import ChatCore
import Foundation

/// What answers, and where.
struct Opened: Sendable, Equatable {
    let bundle: String
    let runtimes: [Runtime]
    let runtime: Runtime
    let placement: [String: Int]?  // operations by where Core ML plans to run them
}

/// What answers have cost in the runtime that is open.
struct Cost: Sendable, Equatable {
    let steps: Steps
    let inferences: [Double]  // milliseconds
}

/// What the chat needs, as closures; each may take a while and throws `ChatError`.
struct Assistant: Sendable {
    /// Open the bundle in a runtime, or in the first that it carries.
    var open: @Sendable (Runtime?) async throws -> Opened
    var answer: @Sendable (String) async throws -> (Answer, Cost?)
}

extension Assistant {
    /// Over the bundle in `folder`, off the main thread.
    static func live(folder: URL) -> Assistant {
        let session = ChatSession(folder: folder)
        return Assistant(
            open: { try await session.open($0) }, answer: { try await session.answer($0) })
    }

    /// Answers at once and always the same.
    static let preview = Assistant(
        open: { runtime in
            Opened(
                bundle: "assistant", runtimes: Runtime.allCases, runtime: runtime ?? .coreML,
                placement: ["Neural Engine": 31, "CPU": 2])
        },
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
        Assistant(open: { _ in throw error }, answer: { _ in throw error })
    }
}

/// The bundle that is open, and what answers have cost so far.
private actor ChatSession {
    private let folder: URL
    private var bundle: ChatBundle?
    private var engine: ChatEngine?
    private var recorder = LatencyRecorder()

    init(folder: URL) {
        self.folder = folder
    }

    func open(_ wanted: Runtime?) async throws -> Opened {
        let bundle = try self.bundle ?? ChatBundle.open(folder)
        self.bundle = bundle
        let runtimes = Runtime.carried(by: bundle)
        guard let runtime = wanted ?? runtimes.first, let loader = runtime.loader else {
            throw ChatError.bundle(
                "The bundle carries nothing that this app runs. Install another.")
        }
        let artifact = try bundle.artifact(runtime.artifact)
        let classifier = try bundle.load(runtime.artifact, with: loader)
        engine = ChatEngine(bundle: bundle, artifact: artifact, classifier: classifier)
        recorder = LatencyRecorder()
        var placement: [String: Int]?
        #if canImport(CoreML)
            if runtime.artifact == Runtime.coreML.artifact {
                placement = try? await runtime.placement(of: artifact)
            }
        #endif
        return Opened(
            bundle: bundle.name, runtimes: runtimes, runtime: runtime, placement: placement)
    }

    func answer(_ text: String) throws -> (Answer, Cost?) {
        guard var engine else { throw ChatError.runtime("Nothing is open. Try again.") }
        let begun = systemClock()
        let answer = try engine.answer(text)
        recorder.add(answer, nanos: systemClock() - begun)
        self.engine = engine  // whose replies come in turn
        let cost = recorder.steps.map { Cost(steps: $0, inferences: recorder.inferences) }
        return (answer, cost)
    }
}
