import Foundation

func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

public enum ModuleVerification: UInt { case minimal, internalConsistency }

public protocol Scalar {}
extension Int64: Scalar {}
extension Float: Scalar {}

public protocol ValueConvertible {
    func asValue() -> Value
}

open class Value: ValueConvertible {
    public func asValue() -> Value { self }
    public func tensor<T: Scalar>() -> Tensor<T>? { stub() }
}

public final class Tensor<T: Scalar>: ValueConvertible {
    public init(_ scalars: [T], shape: [Int] = []) {}
    public func scalars() -> [T] { stub() }
    public func asValue() -> Value { stub() }
}

open class Module {
    public init(filePath: String) {}
    public func load(with verification: ModuleVerification) throws { stub() }
    public func load(_ method: String) throws { stub() }
    public func forward(_ inputs: [any ValueConvertible]) throws -> [Value] { stub() }
}
