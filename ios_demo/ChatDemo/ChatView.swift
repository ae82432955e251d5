import Accessibility
import ChatCore
import SwiftUI

/// The one screen, drawn from the model's state alone.
struct ChatView: View {
    let model: ChatModel
    let benchmark: Benchmark
    @State private var text = ""
    @State private var showsCost = false
    @FocusState private var isWriting: Bool

    var body: some View {
        NavigationStack {
            content
                .navigationTitle(Text(verbatim: model.state.bundle ?? "pocketbert"))
                .navigationBarTitleDisplayMode(.inline)
                .toolbar { toolbar }
                .safeAreaInset(edge: .bottom) { askBar }
        }
        .task { if model.state.opened == nil { await model.start() } }
        .sheet(isPresented: $showsCost) { LatencySheet(model: model, benchmark: benchmark) }
        .alert(noticeTitle, isPresented: hasNotice) {
            Button("OK") { model.noticeSeen() }
        } message: {
            Text(verbatim: noticeDetail)
        }
    }

    private var hasNotice: Binding<Bool> {
        Binding(get: { model.state.notice != nil }, set: { if !$0 { model.noticeSeen() } })
    }

    private var noticeTitle: Text {
        switch model.state.notice {
        case .refused(let runtime, _): return Text("\(runtime.rawValue) was refused")
        case .fellBack(let first, let other):
            return Text("\(first.rawValue) was refused; \(other.rawValue) answers")
        case .notAnswered, nil: return Text("Not answered")
        }
    }

    private var noticeDetail: String {
        switch model.state.notice {
        case .notAnswered(let why), .refused(_, let why): return why
        case .fellBack(let first, _):
            guard case .refused(let why)? = model.state.verdicts[first] else { return "" }
            return why
        case nil: return ""
        }
    }

    @ViewBuilder private var content: some View {
        switch model.state.status {
        case .loading where model.state.messages.isEmpty:
            ProgressView("The model is loaded and checked.")
                .frame(maxWidth: .infinity, maxHeight: .infinity)
        case .failed(let why):
            refused(why)
        case .ready where model.state.messages.isEmpty:
            ContentUnavailableView(
                "Ask something", systemImage: "bubble.left.and.bubble.right",
                description: Text("The answer is made on this device."))
        case .loading, .ready:
            messages
        }
    }

    private func refused(_ why: String) -> some View {
        ContentUnavailableView {
            Label("No model that answers", systemImage: "exclamationmark.triangle")
        } description: {
            Text("Choose another runtime above, or install another bundle.")
        } actions: {
            Button("Try again") { Task { await model.start() } }
            DisclosureGroup("Details") {
                ScrollView { Text(verbatim: why).font(.footnote).textSelection(.enabled) }
            }
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
            .defaultScrollAnchor(.bottom)
            .scrollDismissesKeyboard(.interactively)
            .onChange(of: model.state.messages.count) {
                guard let last = model.state.messages.last else { return }
                withAnimation { reader.scrollTo(last.id) }
                if last.answer != nil { AccessibilityNotification.Announcement(last.text).post() }
            }
        }
    }

    @ToolbarContentBuilder private var toolbar: some ToolbarContent {
        ToolbarItem(placement: .topBarLeading) {
            RuntimeMenu(state: model.state) { runtime in Task { await model.choose(runtime) } }
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
                .focused($isWriting)
                .onSubmit(send)
            Button("Send", systemImage: "arrow.up.circle.fill", action: send)
                .labelStyle(.iconOnly)
                .font(.title)
                .keyboardShortcut(.return, modifiers: .command)
                .disabled(!model.canAsk(text))
        }
        .padding()
        .background(.bar)
    }

    private func send() {
        guard model.canAsk(text) else { return }  // what was typed stays
        let asked = text
        text = ""
        isWriting = true
        Task { await model.ask(asked) }
    }
}

/// The runtimes that this app carries, with a checkmark at the one that answers.
private struct RuntimeMenu: View {
    let state: ChatState
    let choose: (Runtime) -> Void

    var body: some View {
        Menu("Runtime") {
            Picker("Runtime", selection: selection) {
                ForEach(state.runtimes) { runtime in
                    Label {
                        Text(verbatim: runtime.rawValue)
                        subtitle(runtime)
                    } icon: {
                        symbol(runtime)
                    }
                    .tag(Optional(runtime))
                }
            }
        }
        .disabled(state.status == .loading || state.answering || state.runtimes.isEmpty)
    }

    private var selection: Binding<Runtime?> {
        Binding(get: { state.opened }, set: { if let runtime = $0 { choose(runtime) } })
    }

    @ViewBuilder private func subtitle(_ runtime: Runtime) -> some View {
        switch state.verdicts[runtime] {
        case .verified(let difference):
            Text(
                "Verified here, logits within \(difference.formatted(.number.precision(.significantDigits(2))))"
            )
        case .refused: Text("Refused: it answers otherwise than it was sealed")
        case nil: Text("Not tried yet")
        }
    }

    private func symbol(_ runtime: Runtime) -> Image {
        switch state.verdicts[runtime] {
        case .verified: return Image(systemName: "checkmark.seal")
        case .refused: return Image(systemName: "xmark.seal")
        case nil: return Image(systemName: "seal")
        }
    }
}

#Preview("Chat") {
    ChatView(model: ChatModel(assistant: .preview), benchmark: .preview)
}

#Preview("Refused") {
    ChatView(
        model: ChatModel(assistant: .failing(.bundle("vocab.txt was changed."))),
        benchmark: .preview)
}
