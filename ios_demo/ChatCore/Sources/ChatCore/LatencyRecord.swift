import Foundation

/// What a measurement ran on; `kind` as in `record.schema.json`.
public struct Machine: Sendable, Equatable {
    public let kind: String
    public let device: String
    public let system: String
    /// `release` or `debug`.
    public let buildType: String
    /// Nil where the system does not tell.
    public let charging: Bool?

    public init(
        kind: String, device: String, system: String, buildType: String, charging: Bool? = nil
    ) {
        self.kind = kind
        self.device = device
        self.system = system
        self.buildType = buildType
        self.charging = charging
    }
}

/// Before and after, in the system's own words.
public struct Thermal: Sendable, Equatable, Codable {
    public let before: String
    public let after: String
}

/// One inference over a text of so many tokens.
public struct LengthCost: Sendable, Equatable, Codable {
    public let tokens: Int
    public let inference: Latency
}

/// What an artefact cost on one machine, in schema 1.0; `pipeline/measure/record.py` reads it.
public struct LatencyRecord: Sendable, Equatable, Codable {
    public var schema = "1.0"
    public let kind: String
    public let device: String
    public let system: String
    public let artifact: String
    public let sha256: String
    public let runtime: String
    /// Nil where the runtime does not tell.
    public let threads: Int?
    public let warmUp: Int
    public let seconds: Double
    public let coolDown: Double
    /// Of a fresh process, from the file to the first answer; nil where others had been loaded.
    public let loadMs: Double?
    public let loads: Int
    public let memoryBefore: Int?
    public let memoryLoaded: Int?
    public let wall: Steps
    public let byLength: [LengthCost]
    public let thermal: Thermal?
    public let buildType: String
    public let charging: Bool?
    public let remarks: [String]

    private enum CodingKeys: String, CodingKey {
        case schema, kind, device, system, artifact, sha256, runtime, threads, seconds, loads
        case wall, thermal, charging, remarks
        case buildType = "build_type"
        case warmUp = "warm_up"
        case coolDown = "cool_down_s"
        case loadMs = "load_ms"
        case memoryBefore = "memory_before_bytes"
        case memoryLoaded = "memory_loaded_bytes"
        case byLength = "by_length"
    }

    /// As the file that `pocketbert bench --on ios` fetches.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(self)
    }
}

/// Write what `measure` returns into `file`, or `error: ` or `not run: ` and the reason, whole at
/// once; throws the reason too.
public func writeRecord(to file: URL, measure: () async throws -> LatencyRecord) async throws {
    do {
        try await measure().json().write(to: file, options: .atomic)
    } catch {
        let said = error as? ChatError
        let mark = if case .missing? = said { "not run" } else { "error" }
        try Data("\(mark): \(said?.message ?? "\(error)")".utf8).write(to: file, options: .atomic)
        throw error
    }
}
