import Foundation

@testable import ChatCore

/// What the tests read: the bundle that stands in the repository, made by `tests/phone_fixture.py`.
enum Given {
    /// `ios_demo`, found from this file.
    static let demo = URL(filePath: #filePath).appending(path: "../../../..").standardizedFileURL

    static let folder = demo.appending(path: "Sample/bundle")

    static func bundle() throws -> ChatBundle {
        try ChatBundle.open(folder)
    }

    /// A copy of the bundle's part without models, which a test may spoil; whoever asks removes it.
    static func copy() throws -> URL {
        let place = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.copyItem(at: folder, to: place)
        let package = place.appending(path: artifact.url.lastPathComponent)
        if FileManager.default.fileExists(atPath: package.path) {
            try FileManager.default.removeItem(at: package)
        }
        return place
    }

    /// An artefact with the seals of none, for engines whose classifier is fixed.
    static let artifact = Artifact(
        name: "coreml", url: URL(filePath: "/none/coreml.mlpackage"), seals: [:],
        inputs: ["input_ids", "attention_mask"], lengths: [64], dynamic: false, vocabulary: 8000,
        labels: 34, minRuntime: "iOS 17", temperature: 0.8, threshold: 5, tolerance: 0.1,
        verifiedBy: "tests")

    /// Logits whose highest, of `height`, is that of `label`.
    static func logits(_ label: Int, _ height: Float) -> [Float] {
        var logits = [Float](repeating: 0, count: artifact.labels)
        logits[label] = height
        return logits
    }
}

/// A clock that goes on by `step` nanoseconds at every look.
final class SteppingClock: @unchecked Sendable {
    private let lock = NSLock()
    private let step: UInt64
    private var now: UInt64 = 0

    init(step: UInt64) {
        self.step = step
    }

    func look() -> UInt64 {
        lock.lock()
        defer { lock.unlock() }
        now += step
        return now
    }
}
