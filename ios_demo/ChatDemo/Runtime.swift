import ChatCore

/// A runtime, and for Apple's the units that it may compute on; in the order in which they are
/// tried.
enum Runtime: String, CaseIterable, Identifiable, Sendable {
    case coreML = "Core ML"
    case coreMLOnCPU = "Core ML, CPU"
    case coreMLOnGPU = "Core ML, GPU"
    case coreMLOnNeuralEngine = "Core ML, Neural Engine"
    case coreAI = "Core AI"
    case coreAIOnCPU = "Core AI, CPU"
    case executorch = "ExecuTorch"
    case liteRT = "LiteRT"

    var id: String { rawValue }

    /// The artefact's name in the bundle.
    var artifact: String {
        switch self {
        case .coreML, .coreMLOnCPU, .coreMLOnGPU, .coreMLOnNeuralEngine: return "coreml"
        case .coreAI, .coreAIOnCPU: return "coreai"
        case .executorch: return "executorch"
        case .liteRT: return "tflite"
        }
    }

    /// Nil where this build, or this device, does not have the runtime.
    var loader: ClassifierLoader? {
        switch self {
        case .coreML, .coreMLOnCPU, .coreMLOnGPU, .coreMLOnNeuralEngine: return coreMLLoader
        case .coreAI, .coreAIOnCPU: return coreAILoader
        case .executorch: return executorchLoader
        case .liteRT: return liteRTLoader
        }
    }

    static func carried(by bundle: ChatBundle) -> [Runtime] {
        allCases.filter { $0.loader != nil && bundle.artifacts[$0.artifact] != nil }
    }
}

#if !canImport(CoreML)
    extension Runtime {
        var coreMLLoader: ClassifierLoader? { nil }
    }
#endif
#if !canImport(CoreAI)
    extension Runtime {
        var coreAILoader: ClassifierLoader? { nil }
    }
#endif
#if !canImport(ExecuTorch)
    extension Runtime {
        var executorchLoader: ClassifierLoader? { nil }
    }
#endif
#if !canImport(LiteRT)
    extension Runtime {
        var liteRTLoader: ClassifierLoader? { nil }
    }
#endif
