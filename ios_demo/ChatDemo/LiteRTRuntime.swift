#if canImport(LiteRT)
    import ChatCore
    import Foundation
    import LiteRT

    extension Runtime {
        var liteRTLoader: ClassifierLoader? {
            { artifact in
                let model = try LiteRTModel(artifact)
                return Classifier(runtime: "LiteRT 2.3.0", threads: LiteRTModel.threads) {
                    try model.logits($0)
                }
            }
        }
    }

    /// A `.tflite`: of its signatures, the shortest that holds the text.
    private final class LiteRTModel: @unchecked Sendable {  // `lock` guards the buffers
        /// Of one length. Signatures and their inputs come in the manifest's order (LiteRtTests holds
        /// that), so LiteRT, whose Swift names still change, is asked for neither.
        private struct Signature {
            let index: Int
            let inputs: [TensorBuffer]
            let outputs: [TensorBuffer]
        }

        static let threads = 1  // fastest for so small a model

        private let artifact: Artifact
        // Properties are released in this order: buffers before what they were made of.
        private let signatures: [Int: Signature]  // by length
        private let model: CompiledModel
        private let environment: Environment
        private let lock = NSLock()

        init(_ artifact: Artifact) throws {
            self.artifact = artifact
            do {
                let options = try Options()
                try options.setHardwareAccelerators([.cpu])
                let cpu = try CpuOptions()
                try cpu.setNumThreads(Self.threads)
                try options.addConcreteOptions(cpu)
                let environment = try Environment()
                let model = try CompiledModel(
                    filePath: artifact.url.path, environment: environment, options: options)
                let found = try artifact.lengths.enumerated().map { index, length in
                    let signature = Signature(
                        index: index,
                        inputs: try model.createInputBuffers(signatureIndex: index),
                        outputs: try model.createOutputBuffers(signatureIndex: index))
                    return (length, signature)
                }
                signatures = Dictionary(uniqueKeysWithValues: found)
                self.model = model
                self.environment = environment
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
                for (buffer, name) in zip(signature.inputs, artifact.inputs) {
                    try buffer.write((name == "attention_mask" ? mask : given) + padding)
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
