import Foundation
import XCTest

@testable import ChatCore

final class ChatEngineTests: XCTestCase {
    private func makeEngine(_ label: Int, _ height: Float) throws -> ChatEngine {
        let clock = SteppingClock(step: 1000)
        return ChatEngine(
            bundle: try Given.bundle(), artifact: Given.artifact,
            classifier: .fixed(Given.logits(label, height)), clock: { clock.look() })
    }

    func testIntentAtTheThresholdIsUnderstood() async throws {
        let bundle = try Given.bundle()
        var engine = try makeEngine(1, Given.artifact.threshold)
        let answer = try await engine.answer("hello")
        XCTAssertEqual(answer.intent, bundle.labels[1])
        XCTAssertTrue(bundle.replies[bundle.labels[1]]!.contains(answer.reply))
    }

    func testBelowTheThresholdNothingIsUnderstood() async throws {
        let bundle = try Given.bundle()
        var engine = try makeEngine(1, Given.artifact.threshold.nextDown)
        let answer = try await engine.answer("hello")
        XCTAssertNil(answer.intent)
        XCTAssertEqual(answer.nearest, bundle.labels[1])
        XCTAssertTrue(bundle.replies[bundle.outOfScopeLabel]!.contains(answer.reply))
    }

    func testTextWithoutATokenIsNotUnderstood() async throws {
        var engine = try makeEngine(1, 99)
        for text in ["", "  \n", "\0\u{200B}"] {
            let answer = try await engine.answer(text)
            XCTAssertNil(answer.intent)
        }
    }

    func testConfidenceIsTheSoftmaxOverTheTemperature() async throws {
        var engine = try makeEngine(1, Given.artifact.temperature)  // e to 1 against e to 0
        let expected = exp(1.0) / (exp(1.0) + Double(Given.artifact.labels - 1))
        let answer = try await engine.answer("hello")
        XCTAssertEqual(Double(answer.confidence), expected, accuracy: 1e-6)
    }

    func testRepliesComeInTurn() async throws {
        let bundle = try Given.bundle()
        let label = bundle.labels.firstIndex { bundle.replies[$0, default: []].count > 1 }!
        let replies = bundle.replies[bundle.labels[label]]!
        var engine = try makeEngine(label, 99)
        var said: [String] = []
        for _ in 0...replies.count { said.append(try await engine.answer("hello").reply) }
        XCTAssertEqual(said, replies + [replies[0]])
    }

    func testStepsAreTimedByTheClockHandedIn() async throws {
        var engine = try makeEngine(1, 99)
        let answer = try await engine.answer("hello")
        XCTAssertEqual(answer.tokenizeNanos, 1000)
        XCTAssertEqual(answer.inferenceNanos, 1000)
    }

    func testFailureIsPassedOn() async throws {
        let error = ChatError.runtime("it stopped")
        var engine = ChatEngine(
            bundle: try Given.bundle(), artifact: Given.artifact, classifier: .failing(error))
        do {
            _ = try await engine.answer("hello")
            XCTFail("nothing was thrown")
        } catch let thrown {
            XCTAssertEqual(thrown as? ChatError, error)
            XCTAssertEqual(thrown.localizedDescription, "it stopped")
        }
    }

    func testIdsThatWouldHarmARuntimeAreRefused() {
        let artifact = Given.artifact
        let tooLong = [Int32](repeating: 5, count: 65)
        for ids in [[], tooLong, [-1], [Int32(artifact.vocabulary)]] as [[Int32]] {
            XCTAssertThrowsError(try artifact.check(ids)) { error in
                guard case .input? = error as? ChatError else { return XCTFail("\(error)") }
            }
        }
        XCTAssertNoThrow(try artifact.check([0, Int32(artifact.vocabulary - 1)]))
        XCTAssertThrowsError(try artifact.check([1, 2] as [Float], of: "a runtime"))
    }
}
