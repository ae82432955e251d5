import ChatCore
import SwiftUI
import UIKit

/// What `pocketbert bench --on ios` asks for: `--benchmark ARTEFACT --record NAME --warm-up N
/// --queries N --seconds S --cool-down S`.
struct BenchmarkLaunch: Sendable {
    let artifact: String
    let record: String
    let rules: Rules

    /// Nil where the app was not started to measure.
    init?(_ arguments: [String]) {
        func value(_ flag: String) -> String? {
            guard let place = arguments.firstIndex(of: flag) else { return nil }
            return arguments.dropFirst(place + 1).first
        }
        guard let artifact = value("--benchmark"), let record = value("--record") else {
            return nil
        }
        self.artifact = artifact
        self.record = record
        let usual = Rules()
        rules = Rules(
            warmUp: value("--warm-up").flatMap { Int($0) } ?? usual.warmUp,
            queries: value("--queries").flatMap { Int($0) } ?? usual.queries,
            seconds: value("--seconds").flatMap { Double($0) } ?? usual.seconds,
            coolDown: value("--cool-down").flatMap { Double($0) } ?? usual.coolDown)
    }

    /// Measure, and write the record, or the reason that there is none, into `folder`.
    func run(
        in folder: URL, bundle: URL, benchmark: Benchmark,
        progress: @escaping @Sendable (Double) -> Void
    ) async throws {
        try await writeRecord(to: folder.appending(path: record)) {
            let carried = Runtime.carried(by: try ChatBundle.open(bundle))
            guard let runtime = carried.first(where: { $0.artifact == artifact }) else {
                throw ChatError.missing("the app does not carry \(artifact), or cannot run it here")
            }
            return try await benchmark.measure(runtime, rules, progress)
        }
    }
}

/// Progress of a measurement, and nothing that would disturb it.
struct LaunchedBenchmark: View {
    let launch: BenchmarkLaunch
    @State private var progress = 0.0
    @State private var failure: String?
    @State private var isDone = false

    var body: some View {
        VStack(spacing: 16) {
            ProgressView(value: progress) { title }
            if let failure { Text(verbatim: failure).font(.footnote) }
        }
        .padding(32)
        .task { await measure() }
    }

    private var title: Text {
        if failure != nil { return Text("\(launch.artifact) could not be measured.") }
        return isDone
            ? Text("\(launch.artifact) was measured.")
            : Text("\(launch.artifact) is being measured.")
    }

    private func measure() async {
        UIApplication.shared.isIdleTimerDisabled = true
        do {
            try await launch.run(
                in: .documentsDirectory, bundle: ChatDemoApp.bundle,
                benchmark: .live(folder: ChatDemoApp.bundle, isFresh: true)
            ) { done in
                Task { @MainActor in progress = max(progress, done) }
            }
            progress = 1
            isDone = true
        } catch {
            failure = (error as? ChatError)?.message ?? "\(error)"
        }
    }
}
