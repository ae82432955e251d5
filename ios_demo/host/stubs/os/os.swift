public struct OSSignpostID: Sendable {
    public static let exclusive = OSSignpostID()
}

public struct OSSignposter: Sendable {
    public init(subsystem: String, category: String) {}
    public func withIntervalSignpost<T>(
        _ name: StaticString, id: OSSignpostID = .exclusive, around task: () throws -> T
    ) rethrows -> T { try task() }
}
