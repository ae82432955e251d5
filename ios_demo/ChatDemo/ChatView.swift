import ChatCore
import SwiftUI

/// The one screen, drawn from the model's state alone.
struct ChatView: View {
    @State var model: ChatModel
    @State private var text = ""
    @State private var showsCost = false

    var body: some View {
        NavigationStack {
            content
                .navigationTitle(model.state.opened?.bundle ?? "pocketbert")
                .navigationBarTitleDisplayMode(.inline)
                .toolbar { toolbar }
                .safeAreaInset(edge: .bottom) { askBar }
        }
        .task { await model.open() }
        .sheet(isPresented: $showsCost) {
            LatencySheet(opened: model.state.opened, cost: model.state.cost)
        }
        .alert("Not answered", isPresented: notice) {
            Button("OK") { model.noticeSeen() }
        } message: {
            Text(model.state.notice ?? "")
        }
    }

    private var notice: Binding<Bool> {
        Binding(get: { model.state.notice != nil }, set: { if !$0 { model.noticeSeen() } })
    }

    @ViewBuilder private var content: some View {
        switch model.state.status {
        case .loading:
            ProgressView("The model is loaded and checked.")
                .frame(maxWidth: .infinity, maxHeight: .infinity)
        case .failed(let why):
            ContentUnavailableView {
                Label("No bundle that answers", systemImage: "exclamationmark.triangle")
            } description: {
                Text(why)
            } actions: {
                Button("Try again") { Task { await model.open() } }
            }
        case .ready where model.state.messages.isEmpty:
            ContentUnavailableView(
                "Ask something", systemImage: "bubble.left.and.bubble.right",
                description: Text("The answer is made on this device."))
        case .ready:
            messages
        }
    }

    private var messages: some View {
        ScrollViewReader { reader in
            ScrollView {
                LazyVStack(spacing: 12) {
                    ForEach(model.state.messages) { Bubble(message: $0) }
                }
                .padding()
            }
            .onChange(of: model.state.messages.count) {
                withAnimation { reader.scrollTo(model.state.messages.last?.id) }
            }
        }
    }

    @ToolbarContentBuilder private var toolbar: some ToolbarContent {
        ToolbarItem(placement: .topBarLeading) {
            Menu("Runtime") {
                ForEach(model.state.opened?.runtimes ?? []) { runtime in
                    Button(runtime.rawValue) { Task { await model.open(runtime) } }
                        .disabled(runtime == model.state.opened?.runtime)
                }
            }
            .disabled(model.state.answering)
        }
        ToolbarItem(placement: .topBarTrailing) {
            Button("Latency", systemImage: "stopwatch") { showsCost = true }
        }
    }

    private var askBar: some View {
        HStack {
            TextField("Ask something", text: $text)
                .textFieldStyle(.roundedBorder)
                .submitLabel(.send)
                .onSubmit(send)
            Button("Send", systemImage: "arrow.up.circle.fill", action: send)
                .labelStyle(.iconOnly)
                .font(.title)
                .disabled(model.state.status != .ready || model.state.answering || text.isEmpty)
        }
        .padding()
        .background(.bar)
    }

    private func send() {
        let asked = text
        text = ""
        Task { await model.ask(asked) }
    }
}

/// A line of the chat, and under an answer its intent, confidence and cost.
private struct Bubble: View {
    let message: Message

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            Text(message.text)
            if let answer = message.answer {
                Text(Self.cost(answer)).font(.caption).foregroundStyle(.secondary)
            }
        }
        .padding(12)
        .background(color, in: .rect(cornerRadius: 16))
        .frame(maxWidth: .infinity, alignment: message.answer == nil ? .trailing : .leading)
        .accessibilityElement(children: .combine)
        .accessibilityLabel(message.answer == nil ? "You: \(message.text)" : message.text)
        .accessibilityValue(message.answer.map(Self.cost) ?? "")
    }

    private var color: Color {
        guard let answer = message.answer else { return .accentColor.opacity(0.25) }
        return answer.intent == nil ? .orange.opacity(0.2) : Color(.secondarySystemBackground)
    }

    private static func cost(_ answer: Answer) -> String {
        let intent = answer.intent ?? "not understood; nearest: \(answer.nearest)"
        let percent = answer.confidence.formatted(.percent.precision(.fractionLength(0)))
        let milliseconds = Double(answer.tokenizeNanos + answer.inferenceNanos) / 1e6
        let time = milliseconds.formatted(.number.precision(.fractionLength(2)))
        return "\(intent), \(percent) · \(time) ms"
    }
}

#Preview("Chat") {
    ChatView(model: ChatModel(assistant: .preview))
}

#Preview("Refused") {
    ChatView(model: ChatModel(assistant: .failing(.bundle("vocab.txt was changed."))))
}
