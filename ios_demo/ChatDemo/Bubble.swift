import ChatCore
import SwiftUI
import UIKit

/// A line of the chat, and under an answer its intent, confidence and cost.
struct Bubble: View {
    let message: Message

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            Text(verbatim: message.text)
            if let answer = message.answer {
                caption(answer).font(.caption).foregroundStyle(.secondary)
            }
        }
        .padding(12)
        .background(color, in: .rect(cornerRadius: 16))
        .frame(maxWidth: 480, alignment: alignment)  // a line of text, on the widest iPad too
        .frame(maxWidth: .infinity, alignment: alignment)
        .accessibilityElement(children: .combine)
        .accessibilityHint(message.answer == nil ? Text("Your question") : Text("The answer"))
        .contextMenu {
            Button("Copy", systemImage: "doc.on.doc") {
                UIPasteboard.general.string = message.text
            }
        }
    }

    private var alignment: Alignment { message.answer == nil ? .trailing : .leading }

    private var color: Color {
        guard let answer = message.answer else { return .accentColor.opacity(0.25) }
        return answer.intent == nil
            ? .orange.opacity(0.2) : Color(uiColor: .secondarySystemBackground)
    }

    private func caption(_ answer: Answer) -> Text {
        let percent = answer.confidence.formatted(.percent.precision(.fractionLength(0)))
        let milliseconds = Double(answer.tokenizeNanos + answer.inferenceNanos) / 1e6
        let time = milliseconds.formatted(.number.precision(.fractionLength(2)))
        guard let intent = answer.intent else {
            return Text("Not understood; nearest is \(answer.nearest), \(percent) · \(time) ms")
        }
        return Text(verbatim: "\(intent), \(percent) · \(time) ms")
    }
}

#Preview {
    VStack {
        Bubble(message: Message(id: 0, text: "What time is it?", answer: nil))
        Bubble(
            message: Message(
                id: 1, text: "It is ten past nine.",
                answer: Answer(
                    reply: "It is ten past nine.", intent: "time", nearest: "time",
                    confidence: 0.98, tokenizeNanos: 20_000, inferenceNanos: 400_000)))
    }
}
