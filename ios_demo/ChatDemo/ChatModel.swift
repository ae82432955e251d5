import ChatCore
import Foundation
import Observation

/// A line of the chat; `answer` is nil where the user wrote it.
struct Message: Sendable, Equatable, Identifiable {
    let id: Int
    let text: String
    let answer: Answer?
}

/// What became of a runtime that was tried.
enum Verdict: Sendable, Equatable {
    /// Its logits were at most so far from those sealed.
    case verified(Float)
    case refused(String)
}

/// What the user is told once.
enum Notice: Sendable, Equatable {
    case notAnswered(String)
    case refused(Runtime, String)
    /// The first runtime was refused, and another one answers.
    case fellBack(from: Runtime, to: Runtime)
}

/// All that the screen shows.
struct ChatState: Sendable, Equatable {
    enum Status: Sendable, Equatable {
        case loading
        case ready
        case failed(String)
    }

    var status = Status.loading
    var bundle: String?
    var runtimes: [Runtime] = []
    var verdicts: [Runtime: Verdict] = [:]
    var opened: Runtime?
    var messages: [Message] = []
    var answering = false
    var cost: Cost?
    var placement: [String: Int]?
    var notice: Notice?
}

/// Turns what the user does into states of the screen.
@MainActor
@Observable
final class ChatModel {
    private(set) var state = ChatState()
    private let assistant: Assistant
    private var opening = false

    init(assistant: Assistant) {
        self.assistant = assistant
    }

    /// Open the bundle in the first of its runtimes that reproduces the golden cases.
    func start() async {
        guard !opening else { return }
        opening = true
        defer { opening = false }
        state.status = .loading
        do {
            let carried = try await assistant.carried()
            state.bundle = carried.bundle
            state.runtimes = carried.runtimes
        } catch {
            state.status = .failed(Self.words(error))
            return
        }
        for runtime in state.runtimes where await open(runtime) {
            if let first = state.runtimes.first, first != runtime {
                state.notice = .fellBack(from: first, to: runtime)
            }
            return
        }
        state.status = .failed(reasons)
    }

    /// Open `runtime`; where it is refused, the one that was open before goes on.
    func choose(_ runtime: Runtime) async {
        guard !opening, !state.answering, runtime != state.opened else { return }
        opening = true
        defer { opening = false }
        let before = state.opened
        state.status = .loading
        guard await !open(runtime) else { return }
        guard case .refused(let why)? = state.verdicts[runtime] else { return }
        state.status = before == nil ? .failed(why) : .ready
        state.notice = .refused(runtime, why)
    }

    func canAsk(_ text: String) -> Bool {
        state.status == .ready && !state.answering
            && !text.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty
    }

    func ask(_ text: String) async {
        guard canAsk(text) else { return }
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        state.answering = true
        defer { state.answering = false }
        state.messages.append(Message(id: state.messages.count, text: text, answer: nil))
        do {
            let (answer, cost) = try await assistant.answer(text)
            state.messages.append(
                Message(id: state.messages.count, text: answer.reply, answer: answer))
            state.cost = cost
        } catch {
            state.notice = .notAnswered(Self.words(error))
        }
    }

    /// Find out where the open runtime's operations are planned to run.
    func lookUpPlacement() async {
        guard let opened = state.opened, state.placement == nil else { return }
        let placement = await assistant.placement(opened)
        if state.opened == opened { state.placement = placement }
    }

    func noticeSeen() {
        state.notice = nil
    }

    private func open(_ runtime: Runtime) async -> Bool {
        do {
            state.verdicts[runtime] = .verified(try await assistant.open(runtime))
        } catch {
            state.verdicts[runtime] = .refused(Self.words(error))
            return false
        }
        state.opened = runtime
        state.cost = nil
        state.placement = nil
        state.status = .ready
        return true
    }

    /// Why no runtime could be opened.
    private var reasons: String {
        let found = state.runtimes.compactMap { runtime -> String? in
            guard case .refused(let why)? = state.verdicts[runtime] else { return nil }
            return "\(runtime.rawValue): \(why)"
        }
        return found.isEmpty
            ? "The bundle carries nothing that this app runs. Install another."
            : found.joined(separator: "\n\n")
    }

    private static func words(_ error: any Error) -> String {
        (error as? ChatError)?.message ?? "\(error)"
    }
}
