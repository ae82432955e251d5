#if canImport(CoreML)
    import ChatCore
    import CoreML
    import Foundation

    /// Core ML as a runtime of `ChatBundle`.
    public enum CoreMLClassifier {
        /// Where compiled models are kept between launches.
        public static let store = ModelStore(
            folder: .applicationSupportDirectory.appending(path: "Compiled models"),
            compile: { try await MLModel.compileModel(at: $0) })

        /// Loads an artefact, compiled at the first launch, to compute on `units`.
        ///
        /// - Parameter name: what records call the runtime.
        public static func loader(
            units: MLComputeUnits = .all, name: String = "Core ML"
        ) -> ClassifierLoader {
            { artifact in
                let model = try await CoreMLModel.load(artifact, units: units)
                return Classifier(runtime: name, rounding: rounding(artifact, units)) {
                    try model.logits($0)
                }
            }
        }

        /// How many operations Core ML plans to run where; nil where the system does not tell.
        public static func placement(
            of artifact: Artifact, units: MLComputeUnits
        ) async throws -> [String: Int]? {
            guard #available(iOS 17.4, macOS 14.4, *) else { return nil }
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units
            let plan = try await MLComputePlan.load(
                contentsOf: store.compiled(artifact), configuration: configuration)
            guard case .program(let program) = plan.modelStructure,
                let operations = program.functions["main"]?.block.operations
            else { return nil }
            var counts: [String: Int] = [:]
            for operation in operations {
                guard let usage = plan.deviceUsage(for: operation) else { continue }
                counts[usage.preferred.name, default: 0] += 1
            }
            return counts
        }

        /// Half precision: users report .03 to .09 on the CPU, up to .26 elsewhere (coremltools
        /// issue 2625). A bundle made on a Mac has a tolerance that Core ML was measured to need.
        private static func rounding(_ artifact: Artifact, _ units: MLComputeUnits) -> Float {
            if artifact.verifiedBy.hasPrefix("Core ML") { return 0 }
            return units == .cpuOnly ? 0.1 : 0.3
        }
    }

    extension MLComputeDevice {
        fileprivate var name: String {
            switch self {
            case .cpu: return "CPU"
            case .gpu: return "GPU"
            case .neuralEngine: return "Neural Engine"
            @unknown default: return "?"
            }
        }
    }

    /// A compiled `.mlpackage`, with buffers that are written anew for every text.
    private final class CoreMLModel: @unchecked Sendable {  // `lock` guards the buffers
        /// For one of the model's lengths.
        private struct Buffers {
            let ids: MLMultiArray
            let mask: MLMultiArray
            let input: MLDictionaryFeatureProvider
            let options = MLPredictionOptions()

            init(length: Int, labels: Int) throws {
                let shape = [1, NSNumber(value: length)]
                ids = try MLMultiArray(shape: shape, dataType: .int32)
                mask = try MLMultiArray(shape: shape, dataType: .int32)
                input = try MLDictionaryFeatureProvider(
                    dictionary: ["input_ids": ids, "attention_mask": mask])
                // Core ML writes the logits here, where it can, and not into an array of its own.
                options.outputBackings = [
                    "logits": try MLMultiArray(
                        shape: [1, NSNumber(value: labels)], dataType: .float32)
                ]
            }
        }

        private static let store = CoreMLClassifier.store

        private let artifact: Artifact
        private let model: MLModel
        private let buffers: [Int: Buffers]  // by length
        private let lock = NSLock()

        private init(_ artifact: Artifact, _ model: MLModel) throws {
            self.artifact = artifact
            self.model = model
            let made = try artifact.lengths.map { length in
                (length, try Buffers(length: length, labels: artifact.labels))
            }
            buffers = Dictionary(uniqueKeysWithValues: made)
        }

        static func load(_ artifact: Artifact, units: MLComputeUnits) async throws -> CoreMLModel {
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units
            do {
                let kept = try await store.compiled(artifact)
                guard
                    let model = try? await MLModel.load(
                        contentsOf: kept, configuration: configuration)
                else {
                    // An update of the system may not take what an earlier one compiled.
                    try await store.forget(artifact)
                    return try CoreMLModel(
                        artifact,
                        await MLModel.load(
                            contentsOf: store.compiled(artifact), configuration: configuration))
                }
                return try CoreMLModel(artifact, model)
            } catch {
                throw ChatError.runtime("Core ML refuses \(artifact.url.path): \(error)")
            }
        }

        func logits(_ given: [Int32]) throws -> [Float] {
            try artifact.check(given)
            let length = artifact.length(for: given.count)
            guard let buffers = buffers[length] else {
                throw ChatError.runtime(
                    "The model has no input of \(length) tokens. Make the bundle again.")
            }
            lock.lock()
            defer { lock.unlock() }
            write(given, into: buffers.ids, length)
            write([Int32](repeating: 1, count: given.count), into: buffers.mask, length)
            let output: any MLFeatureProvider
            do {
                output = try model.prediction(from: buffers.input, options: buffers.options)
            } catch {
                throw ChatError.runtime("Core ML could not answer: \(error)")
            }
            guard let logits = output.featureValue(for: "logits")?.multiArrayValue else {
                throw ChatError.runtime("Core ML gives no logits. Make the bundle again.")
            }
            return try artifact.check(
                MLShapedArray<Float>(converting: logits).scalars, of: "Core ML")
        }

        private func write(_ values: [Int32], into array: MLMultiArray, _ length: Int) {
            array.withUnsafeMutableBufferPointer(ofType: Int32.self) { row, strides in
                for place in 0..<length {
                    row[place * strides[1]] = place < values.count ? values[place] : 0
                }
            }
        }
    }
#endif
