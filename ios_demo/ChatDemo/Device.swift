import ChatCore
import SwiftUI
import UIKit

/// What the system tells of this phone or simulator.
enum Device {
    @MainActor static var machine: Machine {
        #if targetEnvironment(simulator)
            let kind = "ios-simulator"
        #else
            let kind = "ios-device"
        #endif
        #if DEBUG
            let build = "debug"
        #else
            let build = "release"
        #endif
        return Machine(
            kind: kind, device: model(),
            system: ProcessInfo.processInfo.operatingSystemVersionString, buildType: build,
            charging: isCharging())
    }

    /// What a reader of a record must know of the circumstances.
    static func remarks() -> [String] {
        ProcessInfo.processInfo.isLowPowerModeEnabled ? ["Low Power Mode is on"] : []
    }

    @MainActor private static func isCharging() -> Bool? {
        UIDevice.current.isBatteryMonitoringEnabled = true
        switch UIDevice.current.batteryState {
        case .unplugged: return false
        case .charging, .full: return true
        default: return nil
        }
    }

    /// The system's own word for how hot it is.
    @Sendable static func thermalState() -> String? {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: return "nominal"
        case .fair: return "fair"
        case .serious: return "serious"
        case .critical: return "critical"
        @unknown default: return nil
        }
    }

    /// Bytes that this process holds in memory, as iOS counts them against its limit.
    @Sendable static func residentBytes() -> Int? {
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

    /// Such as iPhone17,1: the model, which the system tells no other way.
    private static func model() -> String {
        if let simulated = ProcessInfo.processInfo.environment["SIMULATOR_MODEL_IDENTIFIER"] {
            return simulated
        }
        var info = utsname()
        uname(&info)
        return withUnsafeBytes(of: &info.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
