import ChatCore
import Foundation

/// Compiled models on disk, each under its artefact's digest: compiled once, whole or absent.
public actor ModelStore {
    private let folder: URL
    private let compile: @Sendable (URL) async throws -> URL
    private var compiling: [String: Task<URL, any Error>] = [:]

    /// - Parameters:
    ///   - folder: made when it is needed.
    ///   - compile: makes a compiled model of a package, and returns where it lies.
    public init(folder: URL, compile: @escaping @Sendable (URL) async throws -> URL) {
        self.folder = folder
        self.compile = compile
    }

    /// The compiled model of `artifact`, compiled now if it was not before.
    public func compiled(_ artifact: Artifact) async throws -> URL {
        let kept = place(of: artifact)
        if has(artifact) { return kept }
        // Two windows, or the app and its tests, may ask at once.
        if let running = compiling[kept.path] { return try await running.value }
        let task = Task { try self.keep(await compile(artifact.url), at: kept) }
        compiling[kept.path] = task
        defer { compiling[kept.path] = nil }
        return try await task.value
    }

    /// Whether a compiled model of `artifact` is there.
    public func has(_ artifact: Artifact) -> Bool {
        FileManager.default.fileExists(atPath: place(of: artifact).path)
    }

    /// Drop the compiled model of `artifact`; the next one who asks has it compiled anew.
    public func forget(_ artifact: Artifact) throws {
        if has(artifact) { try FileManager.default.removeItem(at: place(of: artifact)) }
    }

    private func place(of artifact: Artifact) -> URL {
        folder.appending(path: "\(artifact.sha256).mlmodelc")
    }

    private func keep(_ made: URL, at kept: URL) throws -> URL {
        let files = FileManager.default
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        do {
            try files.moveItem(at: made, to: kept)  // one step
        } catch {
            // Another process of this app, such as its tests, may have been first.
            guard files.fileExists(atPath: kept.path) else { throw error }
            try? files.removeItem(at: made)
        }
        // Of bundles that an update has replaced. It can be made again, so it needs no backup.
        for other in try files.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        where other.lastPathComponent != kept.lastPathComponent {
            try? files.removeItem(at: other)
        }
        #if canImport(Darwin)
            var values = URLResourceValues()
            values.isExcludedFromBackup = true
            var excluded = kept
            try? excluded.setResourceValues(values)
        #endif
        return kept
    }
}
