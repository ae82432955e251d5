import Foundation

func stub() -> Never { fatalError("a stub: it has a signature and no behaviour") }

// Foundation's own, which Linux lacks.
public struct LocalizedStringResource: ExpressibleByStringInterpolation, Sendable {
    public init(stringLiteral value: String) {}
}

public protocol IntentResult: Sendable {
    associatedtype Value: Sendable = Never
}

public protocol ReturnsValue<Value>: IntentResult {}

public protocol ProvidesDialog: IntentResult {}

public struct IntentDialog: ExpressibleByStringInterpolation, Sendable {
    public init(stringLiteral value: String) {}
}

public struct ValueAndDialog<Value: Sendable>: ReturnsValue, ProvidesDialog {}

extension IntentResult where Self == ValueAndDialog<String> {
    public static func result(value: String, dialog: IntentDialog) -> Self { stub() }
}

public struct IntentDescription: ExpressibleByStringLiteral, Sendable {
    public init(_ text: LocalizedStringResource) {}
    public init(stringLiteral value: String) {}
}

public protocol AppIntent: Sendable {
    associatedtype PerformResult: IntentResult
    static var title: LocalizedStringResource { get }
    static var description: IntentDescription? { get }
    init()
    func perform() async throws -> PerformResult
}

@propertyWrapper
public final class IntentParameter<Value: Sendable>: @unchecked Sendable {
    public convenience init(title: LocalizedStringResource) where Value == String { self.init() }
    public var wrappedValue: Value {
        get { stub() }
        set {}
    }
    public init() {}
}

extension AppIntent {
    public typealias Parameter<Value: Sendable> = IntentParameter<Value>
}

public struct AppShortcutPhraseToken: Sendable {
    public static var applicationName: AppShortcutPhraseToken { stub() }
}

public struct AppShortcutPhrase<Intent: AppIntent>: ExpressibleByStringInterpolation, Sendable {
    public struct StringInterpolation: StringInterpolationProtocol {
        public init(literalCapacity: Int, interpolationCount: Int) {}
        public mutating func appendLiteral(_ literal: String) {}
        public mutating func appendInterpolation(_ token: AppShortcutPhraseToken) {}
    }
    public init(stringLiteral value: String) {}
    public init(stringInterpolation: StringInterpolation) {}
}

public struct AppShortcut: Sendable {
    public init<Intent: AppIntent>(
        intent: Intent, phrases: [AppShortcutPhrase<Intent>], shortTitle: LocalizedStringResource,
        systemImageName: String
    ) {}
}

@resultBuilder
public enum AppShortcutsBuilder {
    public static func buildBlock(_ shortcuts: AppShortcut...) -> [AppShortcut] { shortcuts }
}

public protocol AppShortcutsProvider {
    @AppShortcutsBuilder static var appShortcuts: [AppShortcut] { get }
}
