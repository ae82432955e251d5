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

    func testBenchmarkKeepsBothMinimaAndRestsBefore() throws {
        let clock = SteppingClock(step: 1_000_000)  // a millisecond at every look
        let slept = Slept()
        let runner = BenchmarkRunner(
            bundle: try Given.bundle(), artifact: Given.artifact,
            loader: { _ in .fixed(Given.logits(0, 9)) },
            machine: Machine(kind: "host", device: "a computer", system: "a system"),
            clock: { clock.look() },
            system: BenchmarkRunner.System(
                sleep: { slept.add($0) }, residentBytes: { 1024 }, thermalState: { "nominal" }))
        var rules = Rules(warmUp: 3, queries: 50, seconds: 0, coolDown: 1.5)
        let byCount = try runner.run(rules)
        XCTAssertEqual(byCount.wall.answer.n, 50)
        XCTAssertEqual(slept.seconds, [1.5])
        XCTAssertEqual(byCount.wall.inference.p50, 1, accuracy: 1e-9)
        XCTAssertEqual(byCount.thermal, Thermal(before: "nominal", after: "nominal"))
        rules.queries = 1
        rules.seconds = 2
        let byTime = try runner.run(rules)
        XCTAssertGreaterThan(byTime.wall.answer.n, 100)
        XCTAssertGreaterThanOrEqual(byTime.seconds, 2)
        let json = try JSONSerialization.jsonObject(with: byCount.json()) as? [String: Any]
        XCTAssertEqual(json?["kind"] as? String, "host")
        XCTAssertEqual(json?["schema"] as? String, "1.0")
        let lengths = json?["by_length"] as? [[String: Any]]
        XCTAssertEqual(lengths?.map { $0["tokens"] as? Int }, [8, 16, 32, 64])
    }

    func testRecordIsWrittenOrTheReason() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: file) }
        try writeRecord(to: file) { Data("the record".utf8) }
        XCTAssertEqual(try String(contentsOf: file, encoding: .utf8), "the record")
        try writeRecord(to: file) { throw ChatError.bundle("it is damaged") }
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
