@_exported import AppleFoundation
import Foundation

func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

public enum MLComputeUnits: Int, Sendable {
    case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

open class MLModelConfiguration {
    public init() {}
    open var computeUnits = MLComputeUnits.all
}

public final class MLCPUComputeDevice: Sendable {}
public final class MLGPUComputeDevice: Sendable {}
public final class MLNeuralEngineComputeDevice: Sendable {}

public enum MLComputeDevice: Sendable {
    case cpu(MLCPUComputeDevice)
    case gpu(MLGPUComputeDevice)
    case neuralEngine(MLNeuralEngineComputeDevice)
}

open class MLModel {
    public static var availableComputeDevices: [MLComputeDevice] {
        [.cpu(MLCPUComputeDevice()), .gpu(MLGPUComputeDevice())]
    }
    @available(*, noasync) open class func compileModel(at url: URL) throws -> URL { stub() }
    open class func compileModel(at url: URL) async throws -> URL { stub() }
    open class func load(
        contentsOf url: URL, configuration: MLModelConfiguration = MLModelConfiguration()
    ) async throws -> MLModel { stub() }
    open func prediction(
        from input: any MLFeatureProvider, options: MLPredictionOptions
    ) throws -> any MLFeatureProvider { stub() }
}

open class MLPredictionOptions {
    public init() {}
    open var outputBackings: [String: Any] = [:]
}

public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for name: String) -> MLFeatureValue?
}

open class MLFeatureValue {
    open var multiArrayValue: MLMultiArray? { stub() }
}

open class MLDictionaryFeatureProvider: MLFeatureProvider {
    public init(dictionary: [String: Any]) throws {}
    open var featureNames: Set<String> { stub() }
    open func featureValue(for name: String) -> MLFeatureValue? { stub() }
}

public enum MLMultiArrayDataType: Int, Sendable { case double, float32, float16, int32 }

public protocol MLShapedArrayScalar {}
extension Int32: MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}

open class MLMultiArray {
    public init(shape: [NSNumber], dataType: MLMultiArrayDataType) throws {}
    public func withUnsafeMutableBufferPointer<S: MLShapedArrayScalar, R>(
        ofType type: S.Type, _ body: (UnsafeMutableBufferPointer<S>, [Int]) throws -> R
    ) rethrows -> R { stub() }
}

public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
    public init(converting array: MLMultiArray) {}
    public var scalars: [Scalar] { stub() }
}

open class MLComputePlan {
    public class DeviceUsage {
        public var preferred: MLComputeDevice { stub() }
    }

    open class func load(
        contentsOf url: URL, configuration: MLModelConfiguration
    ) async throws -> MLComputePlan { stub() }
    open var modelStructure: MLModelStructure { stub() }
    open func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? {
        stub()
    }
}

public enum MLModelStructure {
    public struct Program {
        public struct Operation {}
        public struct Block {
            public let operations: [Operation]
        }
        public struct Function {
            public let block: Block
        }
        public let functions: [String: Function]
    }
    case program(Program)
    case unsupported
}
