// swift-tools-version: 6.0
// The lines of ChatCore and its tests that only Apple's systems compile, type-checked against stubs
// of CryptoKit and os. A package of its own: beside those stubs, the real ChatCore would take them.
import PackageDescription

let package = Package(
    name: "core",
    platforms: [.macOS(.v14)],
    targets: [
        .target(name: "os", path: "stubs/os"),
        .target(name: "CryptoKit", path: "stubs/CryptoKit"),
        .target(name: "ChatCore", dependencies: ["CryptoKit", "os"]),
        .testTarget(name: "ChatCoreTests", dependencies: ["ChatCore", "CryptoKit"]),
    ]
)
