import ChatCore
import SwiftUI

@main
struct ChatDemoApp: App {
    /// What `pocketbert install` put into the app, or the sample bundle.
    nonisolated static let bundle = Bundle.main.bundleURL.appending(path: "bundle")

    private let launch = BenchmarkLaunch(CommandLine.arguments)
    private let model = ChatModel(assistant: .live(folder: Self.bundle))  // of all windows

    var body: some Scene {
        WindowGroup {
            if NSClassFromString("XCTestCase") != nil {
                Color.clear  // the tests open the bundle themselves, undisturbed
            } else if let launch {
                LaunchedBenchmark(launch: launch)
            } else {
                ChatView(model: model, benchmark: .live(folder: Self.bundle))
            }
        }
    }
}
