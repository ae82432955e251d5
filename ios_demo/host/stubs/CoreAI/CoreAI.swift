import Foundation

func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

@available(iOS 27, macOS 27, *)
public struct SpecializationOptions: Sendable {
    public static let `default` = SpecializationOptions()
    public static let cpuOnly = SpecializationOptions()
}

@available(iOS 27, macOS 27, *)
public struct AIModel {
    public init(contentsOf modelURL: URL, options: SpecializationOptions = .default) async throws {}
    public func loadFunction(named functionName: String) throws -> InferenceFunction? { stub() }
}

@available(iOS 27, macOS 27, *)
public struct InferenceFunction: Sendable {
    public struct MutableViews: ~Copyable {
        public init() {}
    }

    public struct Outputs: ~Copyable {
        public mutating func remove(_ name: String) -> InferenceValue? { stub() }
    }

    public func run(
        inputs: [String: NDArray], states: consuming MutableViews = MutableViews(),
        outputViews: consuming MutableViews = MutableViews()
    ) async throws -> Outputs { stub() }
}

@available(iOS 27, macOS 27, *)
public struct InferenceValue {
    public var ndArray: NDArray? { stub() }
}

@available(iOS 27, macOS 27, *)
public struct NDArray {
    public enum ScalarType: Sendable { case float16, float32, int32 }

    public init<Scalar: BitwiseCopyable>(scalars: some Sequence<Scalar>, shape: [Int]) {}
    public var shape: [Int] { stub() }
    public var scalarType: ScalarType { stub() }
    public func view<T: BitwiseCopyable>(as type: T.Type = T.self) -> View<T> { stub() }

    public struct View<Element: BitwiseCopyable> {
        public func withUnsafePointer<R, E: Error>(
            _ body: (UnsafePointer<Element>, Span, Span) throws(E) -> R
        ) throws(E) -> R { stub() }
    }

    /// Swift 6.2's `Span<Int>`, as far as shapes and strides are read.
    public struct Span {
        public subscript(index: Int) -> Int { stub() }
        public var count: Int { stub() }
    }
}
