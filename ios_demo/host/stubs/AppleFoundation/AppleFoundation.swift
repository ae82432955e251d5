// Parts of Foundation, and of Darwin behind it, that Linux lacks.
import Foundation

extension ProcessInfo {
    public enum ThermalState: Int, Sendable { case nominal, fair, serious, critical }

    public var thermalState: ThermalState { .nominal }
    public var isLowPowerModeEnabled: Bool { false }
}

extension URL {
    public static var documentsDirectory: URL { URL(filePath: NSHomeDirectory()) }
    public static var applicationSupportDirectory: URL { URL(filePath: NSHomeDirectory()) }
    public static var temporaryDirectory: URL { URL(filePath: NSTemporaryDirectory()) }
}

public typealias natural_t = UInt32
public typealias integer_t = Int32
public typealias kern_return_t = Int32
public typealias mach_msg_type_number_t = UInt32
public typealias mach_port_t = UInt32
public typealias task_flavor_t = UInt32
public typealias task_info_t = UnsafeMutablePointer<integer_t>
public let KERN_SUCCESS: Int32 = 0
public let TASK_VM_INFO: Int32 = 22

public struct task_vm_info_data_t {
    public var phys_footprint: UInt64 = 0
    public init() {}
}

public func task_self_trap() -> mach_port_t { 0 }

public func task_info(
    _ task: mach_port_t, _ flavor: task_flavor_t, _ info: task_info_t?,
    _ count: UnsafeMutablePointer<mach_msg_type_number_t>?
) -> kern_return_t { 1 }
