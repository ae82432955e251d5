#if canImport(os)
    import os

    private let signposter = OSSignposter(subsystem: "org.pocketbert", category: "ChatEngine")

    /// What `body` returns, as an interval that Instruments draws beside Core ML's own.
    func interval<T>(_ name: StaticString, _ body: () throws -> T) rethrows -> T {
        try signposter.withIntervalSignpost(name, around: body)
    }
#else
    func interval<T>(_ name: StaticString, _ body: () throws -> T) rethrows -> T {
        try body()
    }
#endif
