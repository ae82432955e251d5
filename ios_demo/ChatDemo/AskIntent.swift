import AppIntents
import ChatCore

/// "Ask pocketbert" for Siri, Shortcuts and Spotlight: the same assistant, without the app's screen.
struct AskIntent: AppIntent {
    static let title: LocalizedStringResource = "Ask pocketbert"
    static let description: IntentDescription? = IntentDescription(
        "Answers a question on this device.")

    @Parameter(title: "Question")
    var question: String

    func perform() async throws -> some IntentResult & ReturnsValue<String> & ProvidesDialog {
        let assistant = Assistant.live(folder: ChatDemoApp.bundle, key: ChatDemoApp.key)
        let reply = try await assistant.reply(to: question)
        return .result(value: reply, dialog: IntentDialog(stringLiteral: reply))
    }
}

struct AskShortcuts: AppShortcutsProvider {
    static var appShortcuts: [AppShortcut] {
        AppShortcut(
            intent: AskIntent(), phrases: ["Ask \(.applicationName)"], shortTitle: "Ask pocketbert",
            systemImageName: "bubble.left")
    }
}
