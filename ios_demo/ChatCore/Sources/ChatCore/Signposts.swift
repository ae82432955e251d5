#if canImport(os)
    import os

    private let signposter = OSSignposter(subsystem: "org.pocketbert", category: "ChatEngine")

    /// What `body` returns, as an interval that Instruments draws beside Core ML's own.
    func interval<T>(_ name: StaticString, _ body: () async throws -> T) async rethrows -> T {
        let state = signposter.beginInterval(name)
        defer { signposter.endInterval(name, state) }
        return try await body()
    }
#else
    func interval<T>(_ name: StaticString, _ body: () async throws -> T) async rethrows -> T {
        try await body()
    }
#endif
