import Charts
import ChatCore
import SwiftUI

/// What answers have cost so far: percentiles of each step, and how the inferences spread.
struct LatencySheet: View {
    let opened: Opened?
    let cost: Cost?

    var body: some View {
        NavigationStack {
            List {
                if let opened {
                    Section("Runtime") {
                        Text(opened.runtime.rawValue)
                        ForEach((opened.placement ?? [:]).sorted { $0.key < $1.key }, id: \.key) {
                            LabeledContent($0.key, value: "\($0.value) operations planned")
                        }
                    }
                }
                if let cost {
                    Section("\(cost.steps.answer.n) answers on this device") {
                        percentiles("Tokenise", cost.steps.tokenize)
                        percentiles("Infer", cost.steps.inference)
                        percentiles("Answer", cost.steps.answer)
                    }
                    if Set(cost.inferences).count > 1 {  // one value has no width to spread over
                        Section("Inference, milliseconds") { histogram(cost.inferences) }
                    }
                } else {
                    Text("Nothing was asked yet.")
                }
            }
            .navigationTitle("Latency")
        }
        .presentationDetents([.medium, .large])
    }

    private func percentiles(_ step: String, _ latency: Latency) -> some View {
        LabeledContent(step) {
            Text(
                "p50 \(Self.ms(latency.p50)) · p90 \(Self.ms(latency.p90)) · p99 \(Self.ms(latency.p99))"
            )
            .monospacedDigit()
        }
    }

    private func histogram(_ values: [Double]) -> some View {
        let bins = NumberBins(data: values, desiredCount: 12)
        let groups = Dictionary(grouping: values) { bins.index(for: $0) }
        return Chart(groups.sorted { $0.key < $1.key }, id: \.key) { bin, members in
            BarMark(
                x: .value("ms", bins[bin]),
                y: .value("answers", members.count))
        }
        .frame(height: 140)
        .accessibilityLabel("How inference times spread")
    }

    private static func ms(_ value: Double) -> String {
        value.formatted(.number.precision(.fractionLength(2)))
    }
}
