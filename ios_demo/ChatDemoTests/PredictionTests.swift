import ChatCore
import XCTest

@testable import ChatDemo

/// The bundle that the app carries, in every runtime that this device has.
final class PredictionTests: XCTestCase {
    private var classifiers: [Runtime: Classifier] = [:]

    private static var isDebugBuild: Bool {
        #if DEBUG
            true
        #else
            false
        #endif
    }

    /// Loading is asynchronous, and XCTest measures in synchronous tests only.
    override func setUp() async throws {
        #if !canImport(Darwin)
            try XCTSkipIf(true, "not run: Apple's runtimes are not on this system")
        #endif
        let bundle = try carried()
        for runtime in Runtime.carried(by: bundle) {
            guard let loader = runtime.loader else { continue }
            classifiers[runtime] = try await bundle.load(runtime.artifact, with: loader)
        }
    }

    private func carried() throws -> ChatBundle {
        try ChatBundle.open(ChatDemoApp.bundle)
    }

    func testEveryRuntimeReproducesTheGoldenCases() throws {
        XCTAssertFalse(classifiers.isEmpty)
        XCTAssertEqual(Set(classifiers.keys), Set(Runtime.carried(by: try carried())))
        for (runtime, classifier) in classifiers {
            print("\(runtime.rawValue): logits within \(classifier.difference ?? .nan)")
        }
    }

    func testCoreML() throws { try measurePrediction(.coreML) }

    func testCoreMLOnCPU() throws { try measurePrediction(.coreMLOnCPU) }

    func testCoreMLOnGPU() throws { try measurePrediction(.coreMLOnGPU) }

    func testCoreMLOnNeuralEngine() throws { try measurePrediction(.coreMLOnNeuralEngine) }

    func testExecuTorch() throws { try measurePrediction(.executorch) }

    func testLiteRT() throws { try measurePrediction(.liteRT) }

    /// The prediction alone: load, compile and warm-up come before.
    private func measurePrediction(_ runtime: Runtime) throws {
        guard let classifier = classifiers[runtime] else {
            throw XCTSkip("not run: \(runtime.rawValue) is not on this device or not in the bundle")
        }
        if Self.isDebugBuild {
            throw XCTSkip("not run: figures of a debug build say nothing; use ChatDemo (measure)")
        }
        let bundle = try carried()
        let texts = bundle.realTexts.prefix(100).map { bundle.tokenizer.encode($0) }
        for ids in texts.prefix(20) { _ = try classifier.logits(ids) }
        var failures = 0
        measure(metrics: [XCTClockMetric(), XCTCPUMetric()]) {
            for ids in texts where (try? classifier.logits(ids)) == nil { failures += 1 }
        }
        XCTAssertEqual(failures, 0, "a call that fails takes no time")
    }
}
