public struct OSSignpostID: Sendable {
    public static let exclusive = OSSignpostID()
}

public final class OSSignpostIntervalState: Sendable {
    init() {}
}

public struct OSSignposter: Sendable {
    public init(subsystem: String, category: String) {}
    public func beginInterval(
        _ name: StaticString, id: OSSignpostID = .exclusive
    ) -> OSSignpostIntervalState { OSSignpostIntervalState() }
    public func endInterval(_ name: StaticString, _ state: OSSignpostIntervalState) {}
}
