import ChatCore
import Foundation
import Testing

@testable import ChatDemo

/// What the screen is told to show.
@MainActor
struct ChatModelTests {
    private nonisolated static let damaged = ChatError.bundle("it is damaged")

    @Test func questionAndAnswerFollowEachOther() async {
        let model = ChatModel(assistant: .preview)
        #expect(model.state.status == .loading)
        await model.open()
        #expect(model.state.status == .ready)
        await model.ask(" what time is it? ")
        await model.ask("  ")  // nothing to ask
        #expect(model.state.messages.map(\.id) == [0, 1])
        #expect(model.state.messages.first?.text == "what time is it?")
        #expect(model.state.messages[0].answer == nil)
        #expect(model.state.messages.last?.answer?.intent == "time")
        #expect(model.state.cost?.steps.answer.n == 1)
        #expect(!model.state.answering)
    }

    @Test func failureToOpenIsTheScreen() async {
        let model = ChatModel(assistant: .failing(Self.damaged))
        await model.open()
        #expect(model.state.status == .failed("it is damaged"))
    }

    @Test func failureToAnswerIsToldAndTheChatGoesOn() async {
        var assistant = Assistant.preview
        assistant.answer = { _ in throw Self.damaged }
        let model = ChatModel(assistant: assistant)
        await model.open()
        await model.ask("hi")
        #expect(model.state.notice == "it is damaged")
        #expect(model.state.status == .ready)
        #expect(!model.state.answering)
        model.noticeSeen()
        #expect(model.state.notice == nil)
    }

    @Test func otherRuntimeBeginsItsOwnCost() async {
        let model = ChatModel(assistant: .preview)
        await model.open()
        await model.ask("hi")
        await model.open(.liteRT)
        #expect(model.state.opened?.runtime == .liteRT)
        #expect(model.state.cost == nil)
        #expect(model.state.messages.count == 2)
    }

    @Test func folderWithoutABundleIsTold() async {
        let nowhere = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        let model = ChatModel(assistant: .live(folder: nowhere))
        await model.open()
        guard case .failed(let why) = model.state.status else {
            Issue.record("\(model.state.status)")
            return
        }
        #expect(why.contains(nowhere.path))
    }

    @Test func runtimesThatTheBuildLacksAreNotOffered() {
        #expect(Runtime.executorch.loader == nil)
        #expect(Runtime.liteRT.loader == nil)
        #expect(Runtime.named("coreml") == .coreML)
        #expect(Runtime.named("onnx") == nil)
    }
}
