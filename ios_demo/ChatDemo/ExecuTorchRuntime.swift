#if canImport(ExecuTorch)
    import ChatCore
    import ExecuTorch
    import Foundation

    extension Runtime {
        var executorchLoader: ClassifierLoader? {
            { artifact in
                let model = try ExecuTorchModel(artifact)
                return Classifier(runtime: "ExecuTorch 1.5.0") { try model.logits($0) }
            }
        }
    }

    /// A `.pte`; any length that it takes, so nothing is padded.
    private final class ExecuTorchModel: @unchecked Sendable {  // `lock` guards the module
        private let artifact: Artifact
        private let module: Module
        private let lock = NSLock()

        init(_ artifact: Artifact) throws {
            self.artifact = artifact
            module = Module(filePath: artifact.url.path)
            do {
                // The default, minimal, lets a damaged header end the process.
                try module.load(with: .internalConsistency)
                try module.load("forward")
            } catch {
                throw ChatError.runtime("ExecuTorch refuses \(artifact.url.path): \(error)")
            }
        }

        func logits(_ given: [Int32]) throws -> [Float] {
            try artifact.check(given)
            let length = artifact.length(for: given.count)
            let padding = [Int64](repeating: 0, count: length - given.count)
            let ids = given.map(Int64.init) + padding
            let mask = [Int64](repeating: 1, count: given.count) + padding
            lock.lock()
            defer { lock.unlock() }
            let inputs = artifact.inputs.map { name in
                Tensor<Int64>(name == "attention_mask" ? mask : ids, shape: [1, length])
            }
            do {
                let outputs: [Value] = try module.forward(inputs)
                guard let logits: Tensor<Float> = outputs.first?.tensor() else {
                    throw ChatError.runtime("ExecuTorch gives no logits. Make the bundle again.")
                }
                return try artifact.check(logits.scalars(), of: "ExecuTorch")
            } catch let error as ChatError {
                throw error
            } catch {
                throw ChatError.runtime("ExecuTorch could not answer: \(error)")
            }
        }
    }
#endif
