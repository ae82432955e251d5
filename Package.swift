// swift-tools-version: 6.0
// The libraries of the iOS app, as a package that other apps can depend on by URL: ChatCore, and
// ChatCoreML for bundles with a Core ML artefact.
import PackageDescription

let core = "ios_demo/ChatCore"
var targets: [Target] = [
    .target(name: "ChatCore", path: "\(core)/Sources/ChatCore"),
    .target(
        name: "ChatCoreML", dependencies: ["ChatCore"], path: "\(core)/Sources/ChatCoreML"),
    .testTarget(
        name: "ChatCoreTests", dependencies: ["ChatCore"], path: "\(core)/Tests/ChatCoreTests"),
]

// On Linux, the real `.tflite` in the real LiteRT: LITERT_LIBRARY names the folder of libLiteRt.so,
// that of the Python package ai-edge-litert. Only these tests use it, never the library.
if let folder = Context.environment["LITERT_LIBRARY"] {
    targets += [
        .target(
            name: "CLiteRt", path: "\(core)/Sources/CLiteRt",
            linkerSettings: [
                .unsafeFlags(["-L\(folder)", "-lLiteRt", "-Xlinker", "-rpath=\(folder)"])
            ]),
        .testTarget(
            name: "LiteRtTests", dependencies: ["ChatCore", "CLiteRt"],
            path: "\(core)/Tests/LiteRtTests"),
    ]
}

let package = Package(
    name: "pocketbert",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "ChatCore", targets: ["ChatCore"]),
        .library(name: "ChatCoreML", targets: ["ChatCoreML"]),
    ],
    targets: targets
)
