// swift-tools-version: 6.0
// The whole app for a computer without Xcode: type-checked against stubs of Apple's and the
// runtimes' libraries, and its tests run as far as they need none of these. `stubs/README.md` says
// what that proves.
import CompilerPluginSupport
import PackageDescription

func stub(_ name: String, _ dependencies: Target.Dependency...) -> Target {
    .target(name: name, dependencies: dependencies, path: "stubs/\(name)")
}

let package = Package(
    name: "host",
    platforms: [.macOS(.v14)],
    targets: [
        stub("AppleFoundation"),
        stub("UIKit", "AppleFoundation"),
        stub("AppIntents"),
        stub("Accessibility"),
        stub("SwiftUI", "UIKit", "PreviewMacros"),
        stub("Charts", "SwiftUI"),
        stub("CoreML", "AppleFoundation"),
        stub("CoreAI"),
        stub("ExecuTorch"),
        stub("LiteRT"),
        .target(name: "ChatCore"),
        .target(name: "ChatCoreML", dependencies: ["ChatCore", "CoreML"]),
        .macro(name: "PreviewMacros", path: "stubs/PreviewMacros"),
        .target(
            name: "ChatDemo",
            dependencies: [
                "Accessibility", "AppIntents", "Charts", "ChatCore", "ChatCoreML", "CoreAI",
                "CoreML",
                "ExecuTorch", "LiteRT", "SwiftUI", "UIKit",
            ],
            exclude: ["Assets.xcassets", "Localizable.xcstrings", "PrivacyInfo.xcprivacy"],
            // The tests have a `main` of their own.
            swiftSettings: [
                .unsafeFlags(["-Xfrontend", "-entry-point-function-name", "-Xfrontend", "app"])
            ]),
        .testTarget(name: "ChatDemoTests", dependencies: ["ChatDemo"]),
    ]
)
