import ChatCore
import Foundation
import Testing

@testable import ChatDemo

/// What the measuring screen is told to show, and what a launch to measure leaves.
@MainActor
struct BenchmarkTests {
    private nonisolated static let failure = ChatError.runtime("it is too warm")

    @Test func everyRuntimeIsMeasuredAndOneThatFailsIsTold() async {
        var benchmark = Benchmark.preview
        let works = benchmark.measure
        benchmark.measure = { runtime, rules, progress in
            if runtime == .liteRT { throw Self.failure }
            return try await works(runtime, rules, progress)
        }
        let model = BenchmarkModel(runtimes: [.coreML, .liteRT], benchmark: benchmark)
        await model.start()
        #expect(model.findings.map(\.runtime) == [.coreML, .liteRT])
        #expect(model.findings.first?.record?.runtime == "Core ML")
        #expect(model.findings.last?.failure == "it is too warm")
        #expect(model.files.count == 1)
        #expect(model.running == nil)
    }

    @Test func stoppedMeasurementEndsAndMeasuresNoFurther() async {
        var benchmark = Benchmark.preview
        benchmark.measure = { _, _, _ in
            try await Task.sleep(for: .seconds(600))
            throw Self.failure
        }
        let model = BenchmarkModel(runtimes: [.coreML, .liteRT], benchmark: benchmark)
        let run = Task { await model.start() }
        while model.running == nil { await Task.yield() }
        model.stop()
        await run.value
        #expect(model.findings.isEmpty)
        #expect(model.running == nil)
    }

    @Test func flagsOfTheDriverAreRead() {
        let launch = BenchmarkLaunch([
            "ChatDemo", "--benchmark", "coreml", "--record", "a.json", "--warm-up", "3",
            "--queries", "50", "--seconds", "1.5", "--cool-down", "60",
        ])
        #expect(launch?.artifact == "coreml")
        #expect(launch?.record == "a.json")
        #expect(launch?.rules == Rules(warmUp: 3, queries: 50, seconds: 1.5, coolDown: 60))
        #expect(BenchmarkLaunch(["ChatDemo"]) == nil)
        #expect(BenchmarkLaunch(["ChatDemo", "--benchmark", "coreml"]) == nil)
    }

    @Test func launchThatFailsLeavesTheReason() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let launch = try #require(
            BenchmarkLaunch(["ChatDemo", "--benchmark", "coreml", "--record", "a.json"]))
        await #expect(throws: ChatError.self) {
            try await launch.run(in: folder, bundle: folder, benchmark: .preview) { _ in }
        }
        let file = folder.appending(path: "a.json")
        #expect(try String(contentsOf: file, encoding: .utf8).hasPrefix("error: "))
        await #expect(throws: ChatError.self) {
            try await writeRecord(to: file) { @Sendable in throw ChatError.missing("no Core AI") }
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == "not run: no Core AI")
    }
}
