#if canImport(CoreAI)
    import ChatCore
    import CoreAI

    extension Runtime {
        var coreAILoader: ClassifierLoader? {
            guard #available(iOS 27, macOS 27, *) else { return nil }
            let isOnCPU = self == .coreAIOnCPU
            return { artifact in
                let model = try await CoreAIModel(artifact, isOnCPU ? .cpuOnly : .default)
                // Nobody has measured Core AI's GPU and Neural Engine yet; Core ML's take as much.
                return Classifier(runtime: rawValue, rounding: isOnCPU ? 0 : 0.3) {
                    try await model.logits($0)
                }
            }
        }
    }

    /// An `.aimodel`: of its functions, the shortest that holds the text. The system specialises it
    /// for this device when it is first opened, and keeps what it made.
    @available(iOS 27, macOS 27, *)
    private struct CoreAIModel: Sendable {
        private let artifact: Artifact
        private let functions: [Int: InferenceFunction]  // by length

        init(_ artifact: Artifact, _ options: SpecializationOptions) async throws {
            self.artifact = artifact
            do {
                let model = try await AIModel(contentsOf: artifact.url, options: options)
                var functions: [Int: InferenceFunction] = [:]
                for length in artifact.lengths {
                    functions[length] = try model.loadFunction(named: "length_\(length)")
                }
                self.functions = functions
            } catch {
                throw ChatError.runtime("Core AI refuses \(artifact.url.path): \(error)")
            }
        }

        func logits(_ given: [Int32]) async throws -> [Float] {
            try artifact.check(given)
            let length = artifact.length(for: given.count)
            guard let function = functions[length] else {
                throw ChatError.runtime(
                    "The model has no function of \(length) tokens. Make the bundle again.")
            }
            let padding = [Int32](repeating: 0, count: length - given.count)
            let mask = [Int32](repeating: 1, count: given.count)
            var inputs: [String: NDArray] = [:]
            for name in artifact.inputs {
                let row = (name == "attention_mask" ? mask : given) + padding
                inputs[name] = NDArray(scalars: row, shape: [1, length])
            }
            do {
                var outputs = try await function.run(inputs: inputs)
                guard let logits = outputs.remove("logits")?.ndArray else {
                    throw ChatError.runtime("Core AI gives no logits. Make the bundle again.")
                }
                return try artifact.check(row(of: logits), of: "Core AI")
            } catch let error as ChatError {
                throw error
            } catch {
                throw ChatError.runtime("Core AI could not answer: \(error)")
            }
        }

        /// What `logits`, 1 × labels, holds; empty, which no bundle allows, where it is of another
        /// type or shape.
        private func row(of logits: NDArray) -> [Float] {
            guard logits.scalarType == .float32, logits.shape.count == 2 else { return [] }
            return logits.view(as: Float.self).withUnsafePointer { first, shape, strides in
                (0..<shape[1]).map { first[$0 * strides[1]] }
            }
        }
    }
#endif
