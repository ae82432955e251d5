import ChatCore
import Foundation
import Observation

/// What was found for one runtime.
struct Finding: Sendable, Equatable, Identifiable {
    let runtime: Runtime
    let record: LatencyRecord?
    let file: URL?
    let failure: String?

    var id: Runtime { runtime }
}

/// Measures one runtime after the other, and tells how far it is.
@MainActor
@Observable
final class BenchmarkModel {
    private(set) var findings: [Finding] = []
    private(set) var running: Runtime?
    private(set) var progress = 0.0

    let runtimes: [Runtime]
    private let benchmark: Benchmark
    private var task: Task<Void, Never>?

    init(runtimes: [Runtime], benchmark: Benchmark) {
        self.runtimes = runtimes
        self.benchmark = benchmark
    }

    var files: [URL] { findings.compactMap(\.file) }

    /// Measure every runtime by `rules`, until all are done or `stop` is called.
    func start(_ rules: Rules = Rules()) async {
        guard running == nil else { return }
        findings = []
        let task = Task { for runtime in runtimes { await measure(runtime, rules) } }
        self.task = task
        await task.value
        running = nil
    }

    func stop() {
        task?.cancel()
    }

    private func measure(_ runtime: Runtime, _ rules: Rules) async {
        guard !Task.isCancelled else { return }
        running = runtime
        progress = 0
        do {
            let record = try await benchmark.measure(runtime, rules) { done in
                Task { @MainActor [weak self] in self?.advance(runtime, done) }
            }
            let file = try benchmark.save(runtime, record)
            add(Finding(runtime: runtime, record: record, file: file, failure: nil))
        } catch is CancellationError {
            return
        } catch {
            let why = (error as? ChatError)?.message ?? "\(error)"
            add(Finding(runtime: runtime, record: nil, file: nil, failure: why))
        }
    }

    private func advance(_ runtime: Runtime, _ done: Double) {
        // Calls may come late, and one of a runtime that is done must not move the next one's bar.
        if running == runtime { progress = max(progress, done) }
    }

    private func add(_ finding: Finding) {
        findings.append(finding)
    }
}
