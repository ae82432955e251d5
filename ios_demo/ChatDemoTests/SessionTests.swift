import ChatCore
import Foundation
import Testing

@testable import ChatDemo

/// The real bundle, opened by the app's own session; the runtimes know what was sealed, or do not.
@MainActor
struct SessionTests {
    private var folder: URL {
        #if canImport(Darwin)
            ChatDemoApp.bundle
        #else
            URL(filePath: #filePath).resolvingSymlinksInPath()
                .appending(path: "../../Sample/bundle").standardizedFileURL
        #endif
    }

    /// Over runtimes that give the sealed logits, but for those that are `wrong` by 9.
    private func makeAssistant(wrong: Set<Runtime>) throws -> (Assistant, ChatBundle) {
        let bundle = try ChatBundle.open(folder)
        let golden = bundle.golden
        let assistant = Assistant.live(folder: folder) { runtime in
            { artifact in
                let sealed = Dictionary(
                    golden.map { ($0.ids, $0.logits[artifact.name] ?? []) },
                    uniquingKeysWith: { $1 })
                return Classifier(runtime: runtime.rawValue) { ids in
                    let logits = sealed[ids] ?? []
                    return wrong.contains(runtime) ? logits.map { $0 + 9 } : logits
                }
            }
        }
        return (assistant, bundle)
    }

    @Test func firstRuntimeThatReproducesTheGoldenCasesAnswers() async throws {
        let (assistant, bundle) = try makeAssistant(wrong: [.coreML])
        let model = ChatModel(assistant: assistant)
        await model.start()
        #expect(model.state.bundle == bundle.name)
        #expect(model.state.opened == .coreMLOnCPU)
        #expect(model.state.verdicts[.coreMLOnCPU] == .verified(0))
        #expect(model.state.notice == .fellBack(from: .coreML, to: .coreMLOnCPU))
        guard case .refused(let why)? = model.state.verdicts[.coreML] else {
            Issue.record("\(model.state.verdicts)")
            return
        }
        #expect(why.contains("do not use it here"))
        let text = try #require(bundle.realTexts.first)
        await model.ask(text)
        await model.ask(text)
        let answer = try #require(model.state.messages.last?.answer)
        #expect(bundle.labels.contains(answer.nearest))
        #expect(
            bundle.replies[answer.intent ?? bundle.outOfScopeLabel]?.contains(answer.reply) == true)
        #expect(model.state.cost?.steps.answer.n == 2)
    }

    @Test func runtimeThatIsRefusedLeavesTheOneBeforeAnswering() async throws {
        let (assistant, bundle) = try makeAssistant(wrong: [.coreMLOnGPU])
        let model = ChatModel(assistant: assistant)
        await model.start()
        await model.choose(.coreMLOnGPU)
        #expect(model.state.opened == .coreML)
        await model.ask(try #require(bundle.realTexts.first))
        #expect(model.state.messages.count == 2)
    }

    @Test func unsignedBundleIsRefusedWhereTheAppHasAKey() async throws {
        let model = ChatModel(assistant: .live(folder: folder, key: "a key"))
        await model.start()
        guard case .failed(let why) = model.state.status else {
            Issue.record("\(model.state.status)")
            return
        }
        #expect(why.contains("manifest.sig"))
    }
}
