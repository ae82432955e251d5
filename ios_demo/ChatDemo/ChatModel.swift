import ChatCore
import Foundation
import Observation

/// A line of the chat; `answer` is nil where the user wrote it.
struct Message: Sendable, Equatable, Identifiable {
    let id: Int
    let text: String
    let answer: Answer?
}

/// All that the screen shows.
struct ChatState: Sendable, Equatable {
    enum Status: Sendable, Equatable {
        case loading
        case ready
        case failed(String)
    }

    var status = Status.loading
    var opened: Opened?
    var messages: [Message] = []
    var answering = false
    var cost: Cost?
    var notice: String?
}

/// Turns what the user does into states of the screen.
@MainActor
@Observable
final class ChatModel {
    private(set) var state = ChatState()
    private let assistant: Assistant

    init(assistant: Assistant) {
        self.assistant = assistant
    }

    /// Open the bundle, in `runtime` where one is named.
    func open(_ runtime: Runtime? = nil) async {
        state.status = .loading
        do {
            state.opened = try await assistant.open(runtime)
            state.cost = nil
            state.status = .ready
        } catch {
            state.status = .failed(Self.words(error))
        }
    }

    func ask(_ text: String) async {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty, !state.answering else { return }
        state.answering = true
        defer { state.answering = false }
        state.messages.append(Message(id: state.messages.count, text: text, answer: nil))
        do {
            let (answer, cost) = try await assistant.answer(text)
            state.messages.append(
                Message(id: state.messages.count, text: answer.reply, answer: answer))
            state.cost = cost
        } catch {
            state.notice = Self.words(error)
        }
    }

    func noticeSeen() {
        state.notice = nil
    }

    private static func words(_ error: any Error) -> String {
        (error as? ChatError)?.message ?? "\(error)"
    }
}
