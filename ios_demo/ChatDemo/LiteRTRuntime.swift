#if canImport(LiteRT)
    import ChatCore
    import Foundation
    import LiteRT

    extension Runtime {
        var liteRTLoader: ClassifierLoader? {
            { artifact in
                let model = try LiteRTModel(artifact)
                return Classifier(runtime: "LiteRT 2.3.0") { try model.logits($0) }
            }
        }
    }

    /// A `.tflite`: of its signatures, the shortest that holds the text.
    private final class LiteRTModel: @unchecked Sendable {  // `lock` guards the buffers
        private struct Signature {
            let index: Int
            let inputs: [TensorBuffer]
            let isMask: [Bool]
            let outputs: [TensorBuffer]
        }

        private let artifact: Artifact
        private let model: CompiledModel
        private let signatures: [Int: Signature]  // by length
        private let lock = NSLock()

        init(_ artifact: Artifact) throws {
            self.artifact = artifact
            do {
                let options = try Options()
                try options.setHardwareAccelerators([.cpu])
                let cpu = try CpuOptions()
                try cpu.setNumThreads(1)  // fastest for so small a model
                try options.addConcreteOptions(cpu)
                let model = try CompiledModel(
                    filePath: artifact.url.path, environment: Environment(), options: options)
                var found: [Int: Signature] = [:]
                for index in artifact.lengths.indices {
                    let type = try model.getInputTensorType(inputIndex: 0, signatureIndex: index)
                    let count = try model.inputCount(signatureIndex: index)
                    found[Int(type.layout.dimensions.last ?? 0)] = Signature(
                        index: index,
                        inputs: try model.createInputBuffers(signatureIndex: index),
                        isMask: try (0..<count).map {
                            try model.inputName(inputIndex: $0, signatureIndex: index)
                                == "attention_mask"
                        },
                        outputs: try model.createOutputBuffers(signatureIndex: index))
                }
                self.model = model
                signatures = found
            } catch {
                throw ChatError.runtime("LiteRT refuses \(artifact.url.path): \(error)")
            }
        }

        func logits(_ given: [Int32]) throws -> [Float] {
            try artifact.check(given)
            let length = artifact.length(for: given.count)
            guard let signature = signatures[length] else {
                throw ChatError.runtime(
                    "LiteRT has no signature of \(length) tokens. Make the bundle again.")
            }
            let padding = [Int32](repeating: 0, count: length - given.count)
            let mask = [Int32](repeating: 1, count: given.count)
            lock.lock()
            defer { lock.unlock() }
            do {
                for (buffer, isMask) in zip(signature.inputs, signature.isMask) {
                    try buffer.write((isMask ? mask : given) + padding)
                }
                try model.run(
                    inputs: signature.inputs, outputs: signature.outputs,
                    signatureIndex: signature.index)
                let logits: [Float] = try signature.outputs[0].read()
                return try artifact.check(logits, of: "LiteRT")
            } catch let error as ChatError {
                throw error
            } catch {
                throw ChatError.runtime("LiteRT could not answer: \(error)")
            }
        }
    }
#endif
