import ChatCore
import Foundation
import Testing

@testable import ChatDemo

/// What the screen is told to show.
@MainActor
struct ChatModelTests {
    private nonisolated static let damaged = ChatError.bundle("it is damaged")

    /// An assistant that refuses some runtimes.
    private func assistant(refusing refused: Set<Runtime>) -> Assistant {
        var assistant = Assistant.preview
        assistant.open = { runtime in
            if refused.contains(runtime) { throw Self.damaged }
            return 0.02
        }
        return assistant
    }

    @Test func questionAndAnswerFollowEachOther() async {
        let model = ChatModel(assistant: .preview)
        #expect(model.state.status == .loading)
        await model.start()
        #expect(model.state.status == .ready)
        #expect(model.state.opened == .coreML)
        await model.ask(" what time is it? ")
        await model.ask("  ")  // nothing to ask
        #expect(model.state.messages.map(\.id) == [0, 1])
        #expect(model.state.messages.first?.text == "what time is it?")
        #expect(model.state.messages[0].answer == nil)
        #expect(model.state.messages.last?.answer?.intent == "time")
        #expect(model.state.cost?.steps.answer.n == 1)
        #expect(!model.state.answering)
    }

    @Test func nothingIsAskedBeforeARuntimeIsOpen() async {
        let model = ChatModel(assistant: .preview)
        #expect(!model.canAsk("hi"))
        await model.ask("hi")
        #expect(model.state.messages.isEmpty)
        await model.start()
        #expect(model.canAsk("hi"))
        #expect(!model.canAsk(" \n"))
    }

    @Test func failureToOpenIsTheScreen() async {
        let model = ChatModel(assistant: .failing(Self.damaged))
        await model.start()
        #expect(model.state.status == .failed("it is damaged"))
    }

    @Test func runtimeThatIsRefusedIsPassedOverAndTold() async {
        let model = ChatModel(assistant: assistant(refusing: [.coreML, .coreMLOnCPU]))
        await model.start()
        #expect(model.state.status == .ready)
        #expect(model.state.opened == .coreMLOnGPU)
        #expect(model.state.notice == .fellBack(from: .coreML, to: .coreMLOnGPU))
        #expect(model.state.verdicts[.coreML] == .refused("it is damaged"))
        #expect(model.state.verdicts[.coreMLOnGPU] == .verified(0.02))
    }

    @Test func whereAllAreRefusedEachIsNamedAndCanBeTriedAgain() async {
        let model = ChatModel(assistant: assistant(refusing: Set(Runtime.allCases)))
        await model.start()
        guard case .failed(let why) = model.state.status else {
            Issue.record("\(model.state.status)")
            return
        }
        for runtime in Runtime.allCases { #expect(why.contains(runtime.rawValue)) }
        #expect(model.state.runtimes == Runtime.allCases)
        await model.choose(.liteRT)
        #expect(model.state.notice == .refused(.liteRT, "it is damaged"))
        #expect(model.state.status == .failed("it is damaged"))
    }

    @Test func whereTheNextIsRefusedTheFirstGoesOn() async {
        let model = ChatModel(assistant: assistant(refusing: [.liteRT]))
        await model.start()
        await model.choose(.liteRT)
        #expect(model.state.opened == .coreML)
        #expect(model.state.status == .ready)
        #expect(model.state.notice == .refused(.liteRT, "it is damaged"))
        await model.choose(.executorch)
        #expect(model.state.opened == .executorch)
    }

    @Test func choiceDuringAnotherIsIgnored() async {
        let gate = Gate()
        var assistant = Assistant.preview
        assistant.open = { runtime in
            if runtime == .executorch { await gate.wait() }
            return 0
        }
        let model = ChatModel(assistant: assistant)
        await model.start()
        let slow = Task { await model.choose(.executorch) }
        while model.state.status != .loading { await Task.yield() }
        await model.choose(.liteRT)  // ignored: the other one is not open yet
        #expect(model.state.opened == .coreML)
        await gate.open()
        await slow.value
        #expect(model.state.opened == .executorch)
        #expect(model.state.verdicts[.liteRT] == nil)
    }

    @Test func failureToAnswerIsToldAndTheChatGoesOn() async {
        var assistant = Assistant.preview
        assistant.answer = { _ in throw Self.damaged }
        let model = ChatModel(assistant: assistant)
        await model.start()
        await model.ask("hi")
        #expect(model.state.notice == .notAnswered("it is damaged"))
        #expect(model.state.status == .ready)
        #expect(!model.state.answering)
        model.noticeSeen()
        #expect(model.state.notice == nil)
    }

    @Test func otherRuntimeBeginsItsOwnCostAndPlacement() async {
        let model = ChatModel(assistant: .preview)
        await model.start()
        await model.ask("hi")
        await model.lookUpPlacement()
        #expect(model.state.placement?["CPU"] == 2)
        await model.choose(.liteRT)
        #expect(model.state.opened == .liteRT)
        #expect(model.state.cost == nil)
        #expect(model.state.placement == nil)
        #expect(model.state.messages.count == 2)
    }

    @Test func questionWithoutAScreenIsAnsweredByTheFirstThatIsNotRefused() async throws {
        let some = assistant(refusing: [.coreML])
        #expect(try await some.reply(to: "what time is it?") == "It is ten past nine.")
        let none = assistant(refusing: Set(Runtime.allCases))
        await #expect(throws: Self.damaged) { try await none.reply(to: "hi") }
    }

    @Test func folderWithoutABundleIsTold() async {
        let nowhere = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        let model = ChatModel(assistant: .live(folder: nowhere))
        await model.start()
        guard case .failed(let why) = model.state.status else {
            Issue.record("\(model.state.status)")
            return
        }
        #expect(why.contains(nowhere.path))
    }
}

/// Holds whoever waits until it is opened.
private actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func wait() async {
        if isOpen { return }
        await withCheckedContinuation { waiting.append($0) }
    }

    func open() {
        isOpen = true
        for one in waiting { one.resume() }
        waiting = []
    }
}
