public struct ButtonRole: Equatable, Sendable {
    public static let cancel = ButtonRole()
}

public struct Button<Label: View>: Primitive {}
extension Button where Label == Text {
    public init(_ key: LocalizedStringKey, action: @escaping @MainActor () -> Void) {}
    public init(
        _ key: LocalizedStringKey, role: ButtonRole?, action: @escaping @MainActor () -> Void
    ) {}
}
extension Button where Label == SwiftUI.Label<Text, Image> {
    public init(
        _ key: LocalizedStringKey, systemImage: String, action: @escaping @MainActor () -> Void
    ) {}
}

public struct TextField<Label: View>: Primitive {}
extension TextField where Label == Text {
    public init(_ key: LocalizedStringKey, text: Binding<String>) {}
}

public struct Menu<Label: View, Content: View>: Primitive {}
extension Menu where Label == Text {
    public init(_ key: LocalizedStringKey, @ViewBuilder content: () -> Content) {}
}

public struct Picker<Label: View, SelectionValue: Hashable, Content: View>: Primitive {}
extension Picker where Label == Text {
    public init(
        _ key: LocalizedStringKey, selection: Binding<SelectionValue>,
        @ViewBuilder content: () -> Content
    ) {}
}

public struct ProgressView<Label: View, CurrentValueLabel: View>: Primitive {}
extension ProgressView where Label == Text, CurrentValueLabel == EmptyView {
    public init(_ key: LocalizedStringKey) {}
}
extension ProgressView where CurrentValueLabel == EmptyView {
    public init<V: BinaryFloatingPoint>(
        value: V?, total: V = 1.0, @ViewBuilder label: () -> Label
    ) {}
}

public struct LabeledContent<Label, Content> {}
extension LabeledContent: View where Label: View, Content: View {
    public var body: Never { stub() }
}
extension LabeledContent where Label: View, Content: View {
    public init(@ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label) {}
}

public struct DefaultShareLinkLabel: Primitive {}
public struct ShareLink<Data: RandomAccessCollection, PreviewImage, PreviewIcon, Label: View>:
    Primitive
{}
extension ShareLink
where
    PreviewImage == Never, PreviewIcon == Never, Data.Element == URL,
    Label == DefaultShareLinkLabel
{
    public init(items: Data, subject: Text? = nil, message: Text? = nil) {}
}
