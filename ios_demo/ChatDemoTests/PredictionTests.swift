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

    func testCoreAI() throws { try measurePrediction(.coreAI) }

    func testCoreAIOnCPU() throws { try measurePrediction(.coreAIOnCPU) }

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
        predict(texts.prefix(20), with: classifier)
        measure(metrics: [XCTClockMetric(), XCTCPUMetric()]) {
            predict(texts[...], with: classifier)
        }
    }

    /// Wait for the logits of `texts`; fails where one has none, since a call that fails takes no time.
    private func predict(_ texts: ArraySlice<[Int32]>, with classifier: Classifier) {
        let answered = expectation(description: "logits of every text")
        Task.detached {
            for ids in texts { _ = try await classifier.logits(ids) }
            answered.fulfill()
        }
        wait(for: [answered], timeout: 60)
    }
}
