import Foundation
import XCTest

@testable import ChatCore

final class LatencyTests: XCTestCase {
    func testPercentilesAreThoseOfPython() {
        let latency = Latency(nanos: (1...100).map { UInt64($0) * 1_000_000 })
        XCTAssertEqual(latency.p50, 50.5, accuracy: 1e-9)
        XCTAssertEqual(latency.p90, 90.1, accuracy: 1e-9)
        XCTAssertEqual(latency.p99, 99.01, accuracy: 1e-9)
        XCTAssertEqual(latency.min, 1, accuracy: 1e-9)
        XCTAssertEqual(latency.n, 100)
    }

    func testRecorderIsEmptyBeforeTheFirstAnswer() {
        XCTAssertNil(LatencyRecorder().steps)
    }

    /// A runner over a classifier that knows what was sealed.
    private func makeRunner(
        _ slept: Slept, isFresh: Bool = true, threads: Int? = 1
    ) throws -> BenchmarkRunner {
        let bundle = try Given.bundle()
        let sealed = Dictionary(
            bundle.golden.map { ($0.ids, $0.logits["coreml"] ?? []) }, uniquingKeysWith: { $1 })
        let clock = SteppingClock(step: 1_000_000)  // a millisecond at every look
        return BenchmarkRunner(
            bundle: bundle, artifact: Given.artifact,
            loader: { _ in
                Classifier(runtime: "sealed", threads: threads) {
                    sealed[$0] ?? Given.logits(0, 9)
                }
            },
            machine: Machine(
                kind: "host", device: "a computer", system: "a system", buildType: "release",
                charging: false),
            clock: { clock.look() },
            system: BenchmarkRunner.System(
                sleep: { slept.add($0) }, residentBytes: { 1024 }, thermalState: { "nominal" },
                isFresh: isFresh, remarks: ["said by the app"]))
    }

    func testBenchmarkKeepsBothMinimaAndRestsBefore() async throws {
        let slept = Slept()
        let runner = try makeRunner(slept)
        var rules = Rules(warmUp: 3, queries: 50, seconds: 0, coolDown: 1.5)
        let byCount = try await runner.run(rules)
        XCTAssertEqual(byCount.wall.answer.n, 50)
        XCTAssertEqual(slept.seconds, [1.5])
        XCTAssertEqual(byCount.wall.inference.p50, 1, accuracy: 1e-9)
        XCTAssertEqual(byCount.thermal, Thermal(before: "nominal", after: "nominal"))
        rules.queries = 1
        rules.seconds = 2
        let byTime = try await runner.run(rules)
        XCTAssertGreaterThan(byTime.wall.answer.n, 100)
        XCTAssertGreaterThanOrEqual(byTime.seconds, 2)
        let json = try JSONSerialization.jsonObject(with: byCount.json()) as? [String: Any]
        XCTAssertEqual(json?["kind"] as? String, "host")
        XCTAssertEqual(json?["schema"] as? String, "1.0")
        XCTAssertEqual(json?["build_type"] as? String, "release")
        XCTAssertEqual(json?["charging"] as? Bool, false)
        let lengths = json?["by_length"] as? [[String: Any]]
        XCTAssertEqual(lengths?.map { $0["tokens"] as? Int }, [8, 16, 32, 64])
    }

    func testRecordStatesOnlyWhatWasMeasured() async throws {
        let rules = Rules(warmUp: 0, queries: 1, seconds: 0)
        let fresh = try await makeRunner(Slept()).run(rules)
        XCTAssertEqual(fresh.loadMs ?? 0, 1, accuracy: 1e-9)
        XCTAssertEqual(fresh.threads, 1)
        XCTAssertEqual(fresh.memoryLoaded, 1024)
        XCTAssertEqual(
            fresh.remarks, ["said by the app", "golden logits within 0.0000 of those sealed"])
        let again = try await makeRunner(Slept(), isFresh: false, threads: nil).run(rules)
        XCTAssertNil(again.loadMs)
        XCTAssertNil(again.memoryBefore)
        XCTAssertNil(again.threads)
        XCTAssertTrue(again.remarks[1].contains("in a process that had run before"))
    }

    func testWrongRuntimeIsNotMeasured() async throws {
        let runner = BenchmarkRunner(
            bundle: try Given.bundle(), artifact: Given.artifact,
            loader: { _ in .fixed(Given.logits(0, 9)) },
            machine: Machine(
                kind: "host", device: "a computer", system: "a system", buildType: "release",
                charging: false))
        do {
            _ = try await runner.run(Rules(warmUp: 0, queries: 1, seconds: 0))
            XCTFail("it was measured")
        } catch {
            XCTAssertTrue("\(error)".contains("do not use it here"), "\(error)")
        }
    }

    func testCancelledMeasurementEnds() async throws {
        let runner = try makeRunner(Slept())
        let task = Task { try await runner.run(Rules(seconds: 1e9)) }
        task.cancel()
        do {
            _ = try await task.value
            XCTFail("it was measured")
        } catch {
            XCTAssertTrue(error is CancellationError, "\(error)")
        }
    }

    func testRecordIsWrittenOrTheReason() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: file) }
        let record = try await makeRunner(Slept()).run(Rules(warmUp: 0, queries: 1, seconds: 0))
        try await writeRecord(to: file) { record }
        let read = try JSONDecoder().decode(LatencyRecord.self, from: Data(contentsOf: file))
        XCTAssertEqual(read, record)
        do {
            try await writeRecord(to: file) { throw ChatError.bundle("it is damaged") }
            XCTFail("the reason was swallowed")
        } catch {
            XCTAssertEqual(error as? ChatError, .bundle("it is damaged"))
        }
        XCTAssertEqual(try String(contentsOf: file, encoding: .utf8), "error: it is damaged")
    }
}

private final class Slept: @unchecked Sendable {
    private let lock = NSLock()
    private var found: [Double] = []

    var seconds: [Double] {
        lock.lock()
        defer { lock.unlock() }
        return found
    }

    func add(_ seconds: Double) {
        lock.lock()
        defer { lock.unlock() }
        found.append(seconds)
    }
}
