@_exported import Foundation
@_exported import UIKit

public func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

@MainActor @preconcurrency
public protocol View {
    associatedtype Body: View
    @ViewBuilder @MainActor @preconcurrency var body: Body { get }
}

extension Never: View {
    nonisolated public var body: Never { stub() }
}

/// What stands for a view that is made of no others.
public protocol Primitive: View where Body == Never {}

extension Primitive {
    public var body: Never { stub() }
}

public struct EmptyView: Primitive {
    nonisolated public init() {}
}

public struct TupleView<T>: Primitive {}
public struct Conditional<First, Second> {}
extension Conditional: View where First: View, Second: View {
    public var body: Never { stub() }
}
extension Optional: View where Wrapped: View {
    public var body: Never { stub() }
}

@resultBuilder
public enum ViewBuilder {
    public static func buildExpression<Content: View>(_ content: Content) -> Content { content }
    public static func buildBlock() -> EmptyView { EmptyView() }
    public static func buildBlock<Content: View>(_ content: Content) -> Content { content }
    public static func buildBlock<each Content: View>(
        _ content: repeat each Content
    ) -> TupleView<(repeat each Content)> { stub() }
    public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
    public static func buildEither<First: View, Second: View>(
        first: First
    ) -> Conditional<First, Second> { stub() }
    public static func buildEither<First: View, Second: View>(
        second: Second
    ) -> Conditional<First, Second> { stub() }
}

@MainActor @preconcurrency
public protocol Scene {
    associatedtype Body: Scene
    @SceneBuilder @MainActor @preconcurrency var body: Body { get }
}

extension Never: Scene {}

@resultBuilder
public enum SceneBuilder {
    public static func buildBlock<Content: Scene>(_ content: Content) -> Content { content }
}

public struct WindowGroup<Content: View>: Scene {
    public init(@ViewBuilder content: () -> Content) {}
    public var body: Never { stub() }
}

@MainActor @preconcurrency
public protocol App {
    associatedtype Body: Scene
    @SceneBuilder @MainActor @preconcurrency var body: Body { get }
    @MainActor @preconcurrency init()
}

extension App {
    @MainActor @preconcurrency public static func main() { stub() }
}

@MainActor @preconcurrency
public protocol ToolbarContent {
    associatedtype Body: ToolbarContent
    @ToolbarContentBuilder @MainActor @preconcurrency var body: Body { get }
}

extension Never: ToolbarContent {}

@resultBuilder
public enum ToolbarContentBuilder {
    public static func buildBlock<Content: ToolbarContent>(_ content: Content) -> Content {
        content
    }
    public static func buildBlock<A: ToolbarContent, B: ToolbarContent>(
        _ first: A, _ second: B
    ) -> some ToolbarContent { first }
}

public struct ToolbarItemPlacement {
    public static var topBarLeading: ToolbarItemPlacement { stub() }
    public static var topBarTrailing: ToolbarItemPlacement { stub() }
    public static var bottomBar: ToolbarItemPlacement { stub() }
    public static var confirmationAction: ToolbarItemPlacement { stub() }
    public static var automatic: ToolbarItemPlacement { stub() }
}

public struct ToolbarItem<Content: View>: ToolbarContent {
    public init(
        placement: ToolbarItemPlacement = .automatic, @ViewBuilder content: () -> Content
    ) {}
    public var body: Never { stub() }
}

@freestanding(declaration)
public macro Preview(
    _ name: String? = nil, @ViewBuilder body: @escaping @MainActor () -> any View
) =
    #externalMacro(module: "PreviewMacros", type: "Preview")
