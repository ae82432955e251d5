import Foundation

func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

public struct HardwareAccelerators: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }
    public static let cpu = HardwareAccelerators(rawValue: 1)
}

public protocol ConcreteOptions {}

public final class CpuOptions: ConcreteOptions {
    public init() throws {}
    public func setNumThreads(_ numThreads: Int) throws { stub() }
}

public final class Options {
    public init() throws {}
    public func setHardwareAccelerators(_ accelerators: HardwareAccelerators) throws { stub() }
    public func addConcreteOptions(_ options: any ConcreteOptions) throws { stub() }
}

public final class Environment {
    public init() throws {}
}

public final class TensorBuffer {
    public func write<T>(_ data: [T]) throws { stub() }
    public func write(_ data: Data) throws { stub() }
    public func read() throws -> Data { stub() }
    public func read<T>() throws -> [T] { stub() }
}

public final class CompiledModel {
    public init(filePath: String, environment: Environment, options: Options) throws {}
    public func createInputBuffers(signatureIndex: Int = 0) throws -> [TensorBuffer] { stub() }
    public func createOutputBuffers(signatureIndex: Int = 0) throws -> [TensorBuffer] { stub() }
    public func run(
        inputs: [TensorBuffer], outputs: [TensorBuffer], options: Options? = nil,
        signatureIndex: Int = 0
    ) throws { stub() }
}
