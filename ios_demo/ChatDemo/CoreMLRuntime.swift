#if canImport(CoreML)
    import ChatCore
    import ChatCoreML
    import CoreML

    extension Runtime {
        var coreMLLoader: ClassifierLoader? {
            isOnThisDevice ? CoreMLClassifier.loader(units: computeUnits, name: rawValue) : nil
        }

        private var isOnThisDevice: Bool {
            #if targetEnvironment(simulator)
                // It has no Neural Engine, and its GPU computes otherwise than a phone's.
                return self == .coreMLOnCPU
            #else
                return MLModel.availableComputeDevices.contains { device in
                    switch (self, device) {
                    case (.coreMLOnGPU, .gpu), (.coreMLOnNeuralEngine, .neuralEngine): return true
                    case (.coreMLOnGPU, _), (.coreMLOnNeuralEngine, _): return false
                    default: return true
                    }
                }
            #endif
        }

        private var computeUnits: MLComputeUnits {
            switch self {
            case .coreMLOnCPU: return .cpuOnly
            case .coreMLOnGPU: return .cpuAndGPU
            case .coreMLOnNeuralEngine: return .cpuAndNeuralEngine
            default: return .all
            }
        }

        /// How many operations Core ML plans to run where; nil where the system does not tell.
        func placement(of artifact: Artifact) async throws -> [String: Int]? {
            try await CoreMLClassifier.placement(of: artifact, units: computeUnits)
        }

        /// Whether an earlier load has left a compiled model.
        func isCompiled(_ artifact: Artifact) async -> Bool {
            await CoreMLClassifier.store.has(artifact)
        }

        /// Compile the model anew, as at the first launch; how many seconds it took.
        func compileAnew(_ artifact: Artifact) async throws -> Double {
            try await CoreMLClassifier.store.forget(artifact)
            let begun = systemClock()
            _ = try await CoreMLClassifier.store.compiled(artifact)
            return Double(systemClock() - begun) / 1e9
        }
    }
#endif
