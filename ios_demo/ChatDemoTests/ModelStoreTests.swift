import ChatCore
import ChatCoreML
import Foundation
import Testing

@testable import ChatDemo

/// Compiled models on disk; a compiler that writes a folder stands in for Core ML's.
struct ModelStoreTests {
    private let folder = FileManager.default.temporaryDirectory
        .appending(path: UUID().uuidString)
    private let compiled = Counter()

    private func makeStore() -> ModelStore {
        ModelStore(folder: folder.appending(path: "kept")) { [folder, compiled] _ in
            await compiled.add()
            try await Task.sleep(for: .milliseconds(20))
            let made = folder.appending(path: "made-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
            return made
        }
    }

    private func artifact(_ name: String) -> Artifact {
        Artifact(
            name: name, url: URL(filePath: "/\(name).mlpackage"),
            seals: ["\(name).mlpackage/model": Seal(sha256: name, bytes: 1)], inputs: [],
            lengths: [64], dynamic: false, vocabulary: 8, labels: 2, minRuntime: "",
            temperature: 1, threshold: 0, tolerance: 0, verifiedBy: "")
    }

    @Test func modelIsCompiledOnceHoweverManyAsk() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = makeStore()
        let places = try await withThrowingTaskGroup(of: URL.self) { group in
            for _ in 0..<8 { group.addTask { try await store.compiled(artifact("a")) } }
            return try await group.reduce(into: Set<URL>()) { $0.insert($1) }
        }
        #expect(places.count == 1)
        #expect(await compiled.count == 1)
        _ = try await store.compiled(artifact("a"))
        #expect(await compiled.count == 1)
    }

    @Test func loserOfTwoProcessesTakesWhatIsThere() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (one, other) = (makeStore(), makeStore())  // two processes: nothing is shared but disk
        async let first = one.compiled(artifact("a"))
        async let second = other.compiled(artifact("a"))
        let places = try await [first, second]
        #expect(places[0] == places[1])
        #expect(await compiled.count == 2)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(left == ["kept"])
    }

    @Test func modelOfAnEarlierBundleIsRemoved() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = makeStore()
        let old = try await store.compiled(artifact("a"))
        let new = try await store.compiled(artifact("b"))
        #expect(!FileManager.default.fileExists(atPath: old.path))
        #expect(FileManager.default.fileExists(atPath: new.path))
    }

    @Test func forgottenModelIsCompiledAnew() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = makeStore()
        _ = try await store.compiled(artifact("a"))
        #expect(await store.has(artifact("a")))
        try await store.forget(artifact("a"))
        #expect(await !store.has(artifact("a")))
        _ = try await store.compiled(artifact("a"))
        #expect(await compiled.count == 2)
    }

    @Test func failureToCompileIsPassedOnAndTriedAgain() async throws {
        let store = ModelStore(folder: folder) { _ in throw ChatError.runtime("it does not") }
        for _ in 0..<2 {
            await #expect(throws: ChatError.runtime("it does not")) {
                try await store.compiled(artifact("a"))
            }
        }
    }
}

private actor Counter {
    private(set) var count = 0

    func add() {
        count += 1
    }
}
