import Foundation

func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

public struct SHA256Digest: Sequence {
    public func makeIterator() -> Array<UInt8>.Iterator { stub() }
}

public enum SHA256 {
    public static func hash<D: DataProtocol>(data: D) -> SHA256Digest { stub() }
}

public enum P256 {
    public enum Signing {
        public struct PublicKey: Sendable {
            public init(pemRepresentation: String) throws {}
            public var pemRepresentation: String { stub() }
            public func isValidSignature<D: DataProtocol>(
                _ signature: ECDSASignature, for data: D
            ) -> Bool { stub() }
        }

        public struct PrivateKey: Sendable {
            public init(compactRepresentable: Bool = true) {}
            public var publicKey: PublicKey { stub() }
            public func signature<D: DataProtocol>(for data: D) throws -> ECDSASignature { stub() }
        }

        public struct ECDSASignature: Sendable {
            public init<D: DataProtocol>(derRepresentation: D) throws {}
            public var derRepresentation: Data { stub() }
        }
    }
}

public enum P384 {
    public enum Signing {
        public struct PrivateKey: Sendable {
            public init(compactRepresentable: Bool = true) {}
            public func signature<D: DataProtocol>(
                for data: D
            ) throws -> P256.Signing.ECDSASignature { stub() }
        }
    }
}
