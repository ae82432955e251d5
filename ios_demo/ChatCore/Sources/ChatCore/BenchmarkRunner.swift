import Foundation

/// How long to measure, after MLPerf Mobile: both minima hold.
public struct Rules: Sendable, Equatable {
    public var warmUp: Int
    public var queries: Int
    public var seconds: Double
    public var coolDown: Double

    public init(
        warmUp: Int = 20, queries: Int = 1024, seconds: Double = 10, coolDown: Double = 0
    ) {
        self.warmUp = warmUp
        self.queries = queries
        self.seconds = seconds
        self.coolDown = coolDown
    }
}

/// Measures one artefact of a bundle; the clock and all that a system tells are handed in.
public struct BenchmarkRunner: Sendable {
    private let bundle: ChatBundle
    private let artifact: Artifact
    private let loader: ClassifierLoader
    private let machine: Machine
    private let clock: NanoClock
    private let system: System

    /// What only the system knows or does; the defaults know nothing and rest by sleeping.
    public struct System: Sendable {
        public var sleep: @Sendable (Double) async throws -> Void
        public var residentBytes: @Sendable () -> Int?
        public var thermalState: @Sendable () -> String?
        /// Whether nothing was loaded in this process before.
        public var isFresh: Bool
        public var remarks: [String]

        public init(
            sleep: @escaping @Sendable (Double) async throws -> Void = {
                try await Task.sleep(for: .seconds($0))
            },
            residentBytes: @escaping @Sendable () -> Int? = { nil },
            thermalState: @escaping @Sendable () -> String? = { nil },
            isFresh: Bool = false,
            remarks: [String] = []
        ) {
            self.sleep = sleep
            self.residentBytes = residentBytes
            self.thermalState = thermalState
            self.isFresh = isFresh
            self.remarks = remarks
        }
    }

    private static let lengths = [8, 16, 32, 64]
    private static let calls = 100
    private static let step = 0.02  // of progress; telling each query would disturb the next
    private static let nanosASecond = 1e9

    public init(
        bundle: ChatBundle, artifact: Artifact, loader: @escaping ClassifierLoader,
        machine: Machine, clock: @escaping NanoClock = systemClock, system: System = System()
    ) {
        self.bundle = bundle
        self.artifact = artifact
        self.loader = loader
        self.machine = machine
        self.clock = clock
        self.system = system
    }

    /// Load, have the golden cases reproduced, measure by `rules`; `progress` goes from 0 to 1.
    ///
    /// Throws `ChatError`, or `CancellationError` once its task is cancelled.
    public func run(
        _ rules: Rules, progress: @Sendable (Double) -> Void = { _ in }
    ) async throws -> LatencyRecord {
        guard let firstText = bundle.realTexts.first else {
            throw ChatError.bundle("The bundle has no real text to measure. Make it again.")
        }
        let before = system.residentBytes()
        let begun = clock()
        let classifier = try await loader(artifact)
        _ = try await classifier.logits(bundle.tokenizer.encode(firstText))
        let load = Double(clock() - begun) / nanosAMillisecond
        let loaded = system.residentBytes()
        let difference = try await bundle.check(classifier, of: artifact)
        if rules.coolDown > 0 { try await system.sleep(rules.coolDown) }
        let cool = system.thermalState()
        let started = clock()
        let steps = try await measure(classifier, rules, progress)
        let took = clock() - started
        return LatencyRecord(
            kind: machine.kind,
            device: machine.device,
            system: machine.system,
            artifact: artifact.name,
            sha256: artifact.sha256,
            runtime: classifier.runtime,
            threads: classifier.threads,
            warmUp: rules.warmUp,
            seconds: Double(took) / Self.nanosASecond,
            coolDown: rules.coolDown,
            loadMs: system.isFresh ? load : nil,
            loads: system.isFresh ? 1 : 0,
            memoryBefore: system.isFresh ? before : nil,
            memoryLoaded: system.isFresh ? loaded : nil,
            wall: steps,
            byLength: try await byLength(classifier),
            thermal: thermal(from: cool),
            buildType: machine.buildType,
            charging: machine.charging,
            remarks: system.remarks + remarks(load, difference))
    }

    private func remarks(_ load: Double, _ difference: Float) -> [String] {
        func written(_ value: Double, _ digits: Int) -> String {
            String(format: "%.\(digits)f", value)
        }
        let warm = "loaded in \(written(load, 1)) ms in a process that had run before"
        let logits = "golden logits within \(written(Double(difference), 4)) of those sealed"
        return (system.isFresh ? [] : [warm]) + [logits]
    }

    private func thermal(from before: String?) -> Thermal? {
        guard let before, let after = system.thermalState() else { return nil }
        return Thermal(before: before, after: after)
    }

    private func measure(
        _ classifier: Classifier, _ rules: Rules, _ progress: @Sendable (Double) -> Void
    ) async throws -> Steps {
        var engine = ChatEngine(
            bundle: bundle, artifact: artifact, classifier: classifier, clock: clock)
        let texts = bundle.realTexts
        var next = 0
        func text() -> String {
            defer { next = (next + 1) % texts.count }
            return texts[next]
        }
        for _ in 0..<max(0, rules.warmUp) { _ = try await engine.answer(text()) }
        var recorder = LatencyRecorder()
        let started = clock()
        var count = 0
        var spent = 0.0
        var told = 0.0
        repeat {
            try Task.checkCancellation()
            let begun = clock()
            let answer = try await engine.answer(text())
            recorder.add(answer, nanos: clock() - begun)
            count += 1
            spent = Double(clock() - started) / Self.nanosASecond
            let inTime = rules.seconds > 0 ? spent / rules.seconds : 1
            let done = min(1, Double(count) / Double(max(1, rules.queries)), inTime)
            if done - told >= Self.step { (told, _) = (done, progress(done)) }
        } while count < rules.queries || spent < rules.seconds
        guard let steps = recorder.steps else {
            throw ChatError.runtime("Nothing was measured. Ask for at least one query.")
        }
        return steps
    }

    /// Inference over real words, cut to exactly so many tokens.
    private func byLength(_ classifier: Classifier) async throws -> [LengthCost] {
        let encoded = bundle.realTexts.map { bundle.tokenizer.encode($0) }
        let words = encoded.flatMap { $0.dropFirst().dropLast() }
        guard let sample = encoded.first, let first = sample.first, let last = sample.last,
            !words.isEmpty
        else { return [] }
        let fitting = Self.lengths.filter { $0 <= artifact.lengths.last ?? 0 }
        var costs: [LengthCost] = []
        for tokens in fitting {
            let inside = (0..<(tokens - 2)).map { words[$0 % words.count] }
            let ids = [first] + inside + [last]
            for _ in 0..<(Self.calls / 10) { _ = try await classifier.logits(ids) }
            var nanos: [UInt64] = []
            for _ in 0..<Self.calls {
                let begun = clock()
                _ = try await classifier.logits(ids)
                nanos.append(clock() - begun)
            }
            costs.append(LengthCost(tokens: tokens, inference: Latency(nanos: nanos)))
        }
        return costs
    }
}
