@_exported import AppleFoundation
@_exported import Foundation

@MainActor open class UIApplication {
    public static var shared: UIApplication { fatalError("a stub") }
    public var isIdleTimerDisabled = false
}

@MainActor open class UIDevice {
    public enum BatteryState: Int, Sendable { case unknown, unplugged, charging, full }

    public static var current: UIDevice { fatalError("a stub") }
    public var isBatteryMonitoringEnabled = false
    public var batteryState: BatteryState { fatalError("a stub") }
}

@MainActor open class UIPasteboard {
    public static var general: UIPasteboard { fatalError("a stub") }
    public var string: String?
}

open class UIColor: @unchecked Sendable {
    public static var secondarySystemBackground: UIColor { UIColor() }
}
