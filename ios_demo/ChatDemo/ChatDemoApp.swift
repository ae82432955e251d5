import ChatCore
import SwiftUI

@main
struct ChatDemoApp: App {
    /// What `pocketbert install` put into the app, or the sample bundle.
    nonisolated static let bundle = Bundle.main.bundleURL.appending(path: "bundle")

    /// Your own `public.pem`, where it was added to the app: then the bundle must be signed with it.
    nonisolated static let key = Bundle.main.url(forResource: "public", withExtension: "pem")
        .flatMap { try? String(contentsOf: $0, encoding: .utf8) }

    private let launch = BenchmarkLaunch(CommandLine.arguments)
    private let model = ChatModel(assistant: .live(folder: Self.bundle, key: Self.key))

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
