import Foundation

func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

public enum Accelerator: Int32, Sendable { case none, cpu, gpu, npu }

public protocol ConcreteOptions {}

public final class CpuOptions: ConcreteOptions {
    public init() throws {}
    public func setNumThreads(_ numThreads: Int) throws { stub() }
}

public final class Options {
    public init() throws {}
    public func setHardwareAccelerators(_ accelerators: Set<Accelerator>) throws { stub() }
    public func addConcreteOptions(_ options: any ConcreteOptions) throws { stub() }
}

public final class Environment {
    public enum Option { case minLoggerSeverity(Int64) }
    public init(options: [Option] = []) throws {}
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
