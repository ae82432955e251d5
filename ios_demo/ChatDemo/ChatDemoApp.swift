import ChatCore
import SwiftUI

@main
struct ChatDemoApp: App {
    private let launch = BenchmarkLaunch(CommandLine.arguments)

    var body: some Scene {
        WindowGroup {
            if let launch {
                BenchmarkView(launch: launch)
            } else {
                ChatView(model: ChatModel(assistant: .live(folder: Self.bundle)))
            }
        }
    }

    /// What `pocketbert install` put into the app.
    nonisolated static let bundle = Bundle.main.bundleURL.appending(path: "bundle")
}
