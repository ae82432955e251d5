import ChatCore
import SwiftUI

/// What `pocketbert bench --on ios` asks for: `--benchmark RUNTIME --record NAME --warm-up N
/// --queries N --seconds S --cool-down S`.
struct BenchmarkLaunch: Sendable {
    let runtime: String
    let record: String
    let rules: Rules

    /// Nil where the app was not started to measure.
    init?(_ arguments: [String]) {
        func value(_ flag: String) -> String? {
            guard let place = arguments.firstIndex(of: flag) else { return nil }
            return arguments.dropFirst(place + 1).first
        }
        guard let runtime = value("--benchmark"), let record = value("--record") else { return nil }
        self.runtime = runtime
        self.record = record
        let usual = Rules()
        rules = Rules(
            warmUp: value("--warm-up").flatMap { Int($0) } ?? usual.warmUp,
            queries: value("--queries").flatMap { Int($0) } ?? usual.queries,
            seconds: value("--seconds").flatMap { Double($0) } ?? usual.seconds,
            coolDown: value("--cool-down").flatMap { Double($0) } ?? usual.coolDown)
    }

    /// Measure, and write the record, or the reason that there is none, into the app's documents.
    func run(_ progress: @Sendable (Double) -> Void) throws {
        let file = URL.documentsDirectory.appending(path: record)
        try writeRecord(to: file) {
            let bundle = try ChatBundle.open(ChatDemoApp.bundle)
            guard let chosen = Runtime.named(runtime), let loader = chosen.loader else {
                throw ChatError.runtime("This app does not run \(runtime). Choose another.")
            }
            _ = try bundle.load(chosen.artifact, with: loader)  // golden cases: it answers rightly
            let runner = BenchmarkRunner(
                bundle: bundle, artifact: try bundle.artifact(chosen.artifact), loader: loader,
                machine: .this,
                system: .init(residentBytes: residentBytes, thermalState: { .thermalState }))
            return try runner.run(rules, progress: progress).json()
        }
    }
}

/// Progress of a measurement, and nothing that would disturb it.
struct BenchmarkView: View {
    let launch: BenchmarkLaunch
    @State private var progress = 0.0

    var body: some View {
        ProgressView(value: progress) {
            Text(progress < 1 ? "\(launch.runtime) is being measured" : "It was measured.")
        }
        .padding(32)
        .task {
            UIApplication.shared.isIdleTimerDisabled = true
            let launch = launch
            _ = await Task.detached(priority: .userInitiated) { try? launch.run { _ in } }.value
            progress = 1
        }
    }
}

extension Machine {
    /// This phone or simulator.
    static var this: Machine {
        #if targetEnvironment(simulator)
            let kind = "ios-simulator"
        #else
            let kind = "ios-device"
        #endif
        let version = ProcessInfo.processInfo.operatingSystemVersionString
        return Machine(kind: kind, device: hardware(), system: version)
    }

    /// Such as iPhone17,1: the model, which the system tells no other way.
    private static func hardware() -> String {
        var info = utsname()
        uname(&info)
        return withUnsafeBytes(of: &info.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

extension String {
    /// The system's own word for how hot it is.
    fileprivate static var thermalState: String {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: return "nominal"
        case .fair: return "fair"
        case .serious: return "serious"
        case .critical: return "critical"
        @unknown default: return "unknown"
        }
    }
}

/// Bytes that this process holds in memory, as iOS counts them against its limit.
@Sendable private func residentBytes() -> Int? {
    var info = task_vm_info_data_t()
    var count = mach_msg_type_number_t(
        MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size)
    let status = withUnsafeMutablePointer(to: &info) { pointer in
        pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
            task_info(task_self_trap(), task_flavor_t(TASK_VM_INFO), $0, &count)
        }
    }
    return status == KERN_SUCCESS ? Int(info.phys_footprint) : nil
}
