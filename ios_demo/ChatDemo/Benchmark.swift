import ChatCore
import Foundation

/// Measures the bundle's runtimes on this device.
struct Benchmark: Sendable {
    /// Measure one runtime; throws `ChatError`, or `CancellationError`.
    var measure:
        @Sendable (Runtime, Rules, @escaping @Sendable (Double) -> Void) async throws ->
            LatencyRecord
    /// Write a record where other apps can take it from.
    var save: @Sendable (Runtime, LatencyRecord) throws -> URL
}

extension Benchmark {
    /// Of the bundle in `folder`; `isFresh` where this process has loaded nothing yet.
    static func live(
        folder: URL, isFresh: Bool = false,
        loader: @escaping @Sendable (Runtime) -> ClassifierLoader? = { $0.loader }
    ) -> Benchmark {
        Benchmark(
            measure: { runtime, rules, progress in
                let bundle = try ChatBundle.open(folder)
                guard let loader = loader(runtime) else {
                    throw ChatError.missing(
                        "This build has no \(runtime.rawValue). Choose another.")
                }
                let artifact = try bundle.artifact(runtime.artifact)
                let remarks =
                    try await Device.remarks() + prepare(runtime, artifact, isFresh: isFresh)
                let runner = BenchmarkRunner(
                    bundle: bundle, artifact: artifact, loader: loader,
                    machine: await Device.machine,
                    system: .init(
                        residentBytes: Device.residentBytes, thermalState: Device.thermalState,
                        isFresh: isFresh, remarks: remarks))
                return try await runner.run(rules, progress: progress)
            },
            save: { runtime, record in
                let name = runtime.rawValue.filter { $0.isLetter }.lowercased()
                let file = URL.temporaryDirectory
                    .appending(path: "\(record.kind)-\(record.device)-\(name).json")
                try record.json().write(to: file, options: .atomic)
                return file
            })
    }

    /// Time the compilation that a first launch waits for; in a fresh process nothing is touched
    /// before the load is timed. What a reader must know of it.
    private static func prepare(
        _ runtime: Runtime, _ artifact: Artifact, isFresh: Bool
    ) async throws -> [String] {
        #if canImport(CoreML)
            guard runtime.artifact == Runtime.coreML.artifact else { return [] }
            if isFresh {
                let kept = await runtime.isCompiled(artifact)
                return [kept ? "compiled by an earlier launch" : "the load compiles, too"]
            }
            let seconds = try await runtime.compileAnew(artifact)
            return ["compiled anew in \(String(format: "%.0f", seconds * 1e3)) ms"]
        #else
            return []
        #endif
    }

    /// Takes no time and always finds the same.
    static let preview = Benchmark(
        measure: { runtime, _, progress in
            progress(1)
            return try .preview(runtime)
        },
        save: { _, _ in URL(filePath: "/record.json") })
}

extension LatencyRecord {
    fileprivate static func preview(_ runtime: Runtime) throws -> LatencyRecord {
        let p50 = Double(runtime.rawValue.count) / 10
        let latency = """
            {"p50": \(p50), "p90": \(p50 * 1.5), "p99": \(p50 * 2), "min": 0.1, "n": 1024}
            """
        let json = """
            {"schema": "1.0", "kind": "ios-device", "device": "iPhone17,1", "system": "18.0",
             "artifact": "\(runtime.artifact)", "sha256": "", "runtime": "\(runtime.rawValue)",
             "warm_up": 20, "seconds": 10, "cool_down_s": 0, "loads": 0, "by_length": [],
             "wall": {"tokenize": \(latency), "inference": \(latency), "answer": \(latency)},
             "thermal": {"before": "nominal", "after": "fair"}, "build_type": "release", "charging": false, "remarks": ["loaded in 12.0 ms, warm"]}
            """
        return try JSONDecoder().decode(LatencyRecord.self, from: Data(json.utf8))
    }
}
