#if canImport(CoreML)
    import ChatCore
    import CoreML
    import Foundation

    extension Runtime {
        var coreMLLoader: ClassifierLoader? {
            let units = computeUnits
            let name = rawValue
            return { artifact in
                let model = try CoreMLModel(artifact, units: units)
                return Classifier(runtime: name) { try model.logits($0) }
            }
        }

        var computeUnits: MLComputeUnits {
            switch self {
            case .coreMLOnCPU: return .cpuOnly
            case .coreMLOnGPU: return .cpuAndGPU
            case .coreMLOnNeuralEngine: return .cpuAndNeuralEngine
            default: return .all
            }
        }

        /// How many operations Core ML plans to run where; nil where the system does not tell.
        func placement(of artifact: Artifact) async throws -> [String: Int]? {
            guard #available(iOS 17.4, macOS 14.4, *) else { return nil }
            let configuration = MLModelConfiguration()
            configuration.computeUnits = computeUnits
            let plan = try await MLComputePlan.load(
                contentsOf: CoreMLModel.compiled(artifact), configuration: configuration)
            guard case .program(let program) = plan.modelStructure,
                let operations = program.functions["main"]?.block.operations
            else { return nil }
            var counts: [String: Int] = [:]
            for operation in operations {
                guard let usage = plan.deviceUsage(for: operation) else { continue }
                counts[usage.preferred.words, default: 0] += 1
            }
            return counts
        }
    }

    extension MLComputeDevice {
        fileprivate var words: String {
            switch self {
            case .cpu: return "CPU"
            case .gpu: return "GPU"
            case .neuralEngine: return "Neural Engine"
            @unknown default: return "elsewhere"
            }
        }
    }

    /// A compiled `.mlpackage`, with buffers that are written anew for every text.
    private final class CoreMLModel: @unchecked Sendable {  // `lock` guards the buffers
        private let artifact: Artifact
        private let model: MLModel
        private let length: Int
        private let ids: MLMultiArray
        private let mask: MLMultiArray
        private let input: MLDictionaryFeatureProvider
        private let lock = NSLock()

        init(_ artifact: Artifact, units: MLComputeUnits) throws {
            self.artifact = artifact
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units
            do {
                model = try MLModel(
                    contentsOf: Self.compiled(artifact), configuration: configuration)
                length = artifact.lengths.last ?? 1
                let shape = [1, NSNumber(value: length)]
                ids = try MLMultiArray(shape: shape, dataType: .int32)
                mask = try MLMultiArray(shape: shape, dataType: .int32)
                input = try MLDictionaryFeatureProvider(
                    dictionary: ["input_ids": ids, "attention_mask": mask])
            } catch {
                throw ChatError.runtime("Core ML refuses \(artifact.url.path): \(error)")
            }
        }

        func logits(_ given: [Int32]) throws -> [Float] {
            try artifact.check(given)
            lock.lock()
            defer { lock.unlock() }
            write(given, into: ids)
            write([Int32](repeating: 1, count: given.count), into: mask)
            let output: any MLFeatureProvider
            do {
                output = try model.prediction(from: input)
            } catch {
                throw ChatError.runtime("Core ML could not answer: \(error)")
            }
            guard let logits = output.featureValue(for: "logits")?.multiArrayValue else {
                throw ChatError.runtime("Core ML gives no logits. Make the bundle again.")
            }
            return try artifact.check(
                MLShapedArray<Float>(converting: logits).scalars, of: "Core ML")
        }

        private func write(_ values: [Int32], into array: MLMultiArray) {
            array.withUnsafeMutableBytes { bytes, _ in
                let row = bytes.bindMemory(to: Int32.self)
                for place in 0..<length { row[place] = place < values.count ? values[place] : 0 }
            }
        }

        /// The compiled model: made at first launch, kept by the artefact's digest.
        static func compiled(_ artifact: Artifact) throws -> URL {
            let folder = try FileManager.default.url(
                for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil,
                create: true)
            let kept = folder.appending(path: "\(artifact.sha256).mlmodelc")
            if FileManager.default.fileExists(atPath: kept.path) { return kept }
            let made = try MLModel.compileModel(at: artifact.url)
            // Whole or absent: the move is one step.
            try FileManager.default.moveItem(at: made, to: kept)
            return kept
        }
    }
#endif
