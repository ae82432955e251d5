// swift-tools-version: 6.0
// What of the app needs no SwiftUI, and its tests: for any computer with Swift.
import PackageDescription

let package = Package(
    name: "host",
    platforms: [.macOS(.v14)],
    dependencies: [.package(path: "../ChatCore")],
    targets: [
        .target(
            name: "ChatDemo",
            dependencies: ["ChatCore"],
            exclude: [
                "Assets.xcassets", "Benchmark.swift", "ChatDemoApp.swift", "ChatView.swift",
                "LatencySheet.swift",
            ]),
        .testTarget(name: "ChatModelTests", dependencies: ["ChatCore", "ChatDemo"]),
    ]
)
