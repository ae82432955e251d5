/// Distribution of one step's duration in milliseconds.
public struct Latency: Sendable, Equatable, Codable {
    public let p50: Double
    public let p90: Double
    public let p99: Double
    public let min: Double
    public let n: Int

    /// Percentiles of at least one duration in nanoseconds, between neighbours by interpolation.
    public init(nanos: [UInt64]) {
        let sorted = nanos.map { Double($0) / nanosAMillisecond }.sorted()
        func percentile(_ share: Double) -> Double {
            let place = share * Double(sorted.count - 1)
            let below = Int(place.rounded(.down))
            let above = Int(place.rounded(.up))
            return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
        }
        p50 = percentile(0.5)
        p90 = percentile(0.9)
        p99 = percentile(0.99)
        min = sorted[0]
        n = sorted.count
    }
}

/// A query's steps; `answer` is all of it, from the text to the reply.
public struct Steps: Sendable, Equatable, Codable {
    public let tokenize: Latency
    public let inference: Latency
    public let answer: Latency
}

/// Collects what answers cost, step by step.
public struct LatencyRecorder: Sendable {
    private var tokenize: [UInt64] = []
    private var inference: [UInt64] = []
    private var whole: [UInt64] = []

    public init() {}

    /// Count an answer that took `nanos` in all.
    public mutating func add(_ answer: Answer, nanos: UInt64) {
        tokenize.append(answer.tokenizeNanos)
        inference.append(answer.inferenceNanos)
        whole.append(nanos)
    }

    /// Nil before the first answer.
    public var steps: Steps? {
        guard !whole.isEmpty else { return nil }
        return Steps(
            tokenize: Latency(nanos: tokenize),
            inference: Latency(nanos: inference),
            answer: Latency(nanos: whole))
    }

    /// Every inference in milliseconds, in the order they ran.
    public var inferences: [Double] {
        inference.map { Double($0) / nanosAMillisecond }
    }
}

let nanosAMillisecond = 1e6
