// swift-tools-version: 6.0
import PackageDescription

var targets: [Target] = [
    .target(name: "ChatCore"),
    .testTarget(
        name: "ChatCoreTests", dependencies: ["ChatCore"], resources: [.copy("Fixture")]),
]

// On Linux, the real `.tflite` in the real LiteRT: LITERT_LIBRARY names the folder of libLiteRt.so,
// that of the Python package ai-edge-litert. Of the tests only, and no part of the library.
if let folder = Context.environment["LITERT_LIBRARY"] {
    targets += [
        .target(
            name: "CLiteRt",
            linkerSettings: [
                .unsafeFlags(["-L\(folder)", "-lLiteRt", "-Xlinker", "-rpath=\(folder)"])
            ]),
        .testTarget(name: "LiteRtTests", dependencies: ["ChatCore", "CLiteRt"]),
    ]
}

let package = Package(
    name: "ChatCore",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "ChatCore", targets: ["ChatCore"])],
    targets: targets
)
