import ChatCore
import SwiftUI
import UIKit

/// What the system tells of this phone or simulator.
enum Device {
    static var machine: Machine {
        #if targetEnvironment(simulator)
            let kind = "ios-simulator"
        #else
            let kind = "ios-device"
        #endif
        let version = ProcessInfo.processInfo.operatingSystemVersionString
        return Machine(kind: kind, device: model(), system: version)
    }

    /// What a reader of a record must know of the circumstances.
    @MainActor static func remarks() -> [String] {
        var remarks: [String] = []
        #if DEBUG
            remarks.append("debug build: its figures say nothing")
        #endif
        if ProcessInfo.processInfo.isLowPowerModeEnabled { remarks.append("Low Power Mode is on") }
        UIDevice.current.isBatteryMonitoringEnabled = true
        switch UIDevice.current.batteryState {
        case .unplugged: remarks.append("on battery")
        case .charging, .full: remarks.append("on the charger")
        default: break
        }
        return remarks
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
