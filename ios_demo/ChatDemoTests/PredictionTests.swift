import ChatCore
import XCTest

@testable import ChatDemo

/// The bundle that the app carries, in every runtime that the app runs.
final class PredictionTests: XCTestCase {
    private func carried() throws -> ChatBundle {
        try ChatBundle.open(ChatDemoApp.bundle)
    }

    func testEveryRuntimeReproducesTheGoldenCases() throws {
        let bundle = try carried()
        let runtimes = Runtime.carried(by: bundle)
        XCTAssertFalse(runtimes.isEmpty)
        for runtime in runtimes {
            let loader = try XCTUnwrap(runtime.loader)
            XCTAssertNoThrow(try bundle.load(runtime.artifact, with: loader), runtime.rawValue)
        }
    }

    func testCoreMLOnCPU() throws { try measurePrediction(.coreMLOnCPU) }

    func testCoreMLOnGPU() throws { try measurePrediction(.coreMLOnGPU) }

    func testCoreMLOnNeuralEngine() throws { try measurePrediction(.coreMLOnNeuralEngine) }

    func testExecuTorch() throws { try measurePrediction(.executorch) }

    func testLiteRT() throws { try measurePrediction(.liteRT) }

    /// The prediction alone: load, compile and warm-up come before.
    private func measurePrediction(_ runtime: Runtime) throws {
        let bundle = try carried()
        guard let loader = runtime.loader, let artifact = bundle.artifacts[runtime.artifact] else {
            throw XCTSkip("\(runtime.rawValue) is not carried")
        }
        let classifier = try loader(artifact)
        let texts = bundle.realTexts.prefix(100).map { bundle.tokenizer.encode($0) }
        for ids in texts.prefix(20) { _ = try classifier.logits(ids) }
        measure(metrics: [XCTClockMetric(), XCTCPUMetric()]) {
            for ids in texts { _ = try? classifier.logits(ids) }
        }
    }
}
