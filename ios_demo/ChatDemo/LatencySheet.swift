import Charts
import ChatCore
import SwiftUI

/// What answers have cost so far: percentiles of each step, how the inferences spread, and the way
/// to a measurement.
struct LatencySheet: View {
    let model: ChatModel
    let benchmark: Benchmark
    @Environment(\.dismiss) private var dismiss

    var body: some View {
        NavigationStack {
            List {
                #if DEBUG
                    Text("This is a debug build: its figures say nothing.")
                #endif
                if let runtime = model.state.opened { planned(runtime) }
                if let cost = model.state.cost {
                    percentiles(cost.steps)
                    if Set(cost.inferences).count > 1 {  // one value has no width to spread over
                        Section("Inference, milliseconds") { histogram(cost.inferences) }
                    }
                } else {
                    Text("Nothing was asked yet.")
                }
                NavigationLink("Measure every runtime") {
                    BenchmarkScreen(runtimes: model.state.runtimes, benchmark: benchmark)
                }
            }
            .navigationTitle("Latency")
            .toolbar {
                ToolbarItem(placement: .confirmationAction) { Button("Done") { dismiss() } }
            }
        }
        .presentationDetents([.medium, .large])
        .task { await model.lookUpPlacement() }
    }

    private func planned(_ runtime: Runtime) -> some View {
        Section("Runtime") {
            Text(verbatim: runtime.rawValue)
            ForEach((model.state.placement ?? [:]).sorted { $0.key < $1.key }, id: \.key) { unit in
                LabeledContent {
                    Text("\(unit.value) operations planned")
                } label: {
                    Text(verbatim: unit.key)
                }
            }
        }
    }

    private func percentiles(_ steps: Steps) -> some View {
        Section("\(steps.answer.n) answers on this device, milliseconds") {
            ViewThatFits(in: .horizontal) {
                Grid(alignment: .trailing, horizontalSpacing: 16, verticalSpacing: 8) {
                    GridRow {
                        Text(verbatim: "")
                        ForEach(Percentile.all) { Text(verbatim: $0.name).bold() }
                    }
                    ForEach(named(steps)) { step in
                        GridRow {
                            Text(step.name).gridColumnAlignment(.leading)
                            ForEach(Percentile.all) { Text(verbatim: $0.written(step.latency)) }
                        }
                    }
                }
                VStack(alignment: .leading, spacing: 8) {  // where the letters are large
                    ForEach(named(steps)) { step in
                        Text(step.name).bold()
                        ForEach(Percentile.all) { percentile in
                            Text(verbatim: "\(percentile.name) \(percentile.written(step.latency))")
                        }
                    }
                }
            }
            .monospacedDigit()
        }
    }

    private func named(_ steps: Steps) -> [NamedStep] {
        [
            NamedStep(id: 0, name: "Tokenise", latency: steps.tokenize),
            NamedStep(id: 1, name: "Infer", latency: steps.inference),
            NamedStep(id: 2, name: "Answer", latency: steps.answer),
        ]
    }

    private func histogram(_ values: [Double]) -> some View {
        let bins = NumberBins(data: values, desiredCount: 12)
        let groups = Dictionary(grouping: values) { bins.index(for: $0) }
        return Chart(groups.sorted { $0.key < $1.key }, id: \.key) { bin, members in
            BarMark(
                x: .value("Milliseconds", bins[bin]),
                y: .value("Answers", members.count)
            )
            .accessibilityLabel(Text("\(Percentile.written(bins[bin].lowerBound)) milliseconds"))
            .accessibilityValue(Text("\(members.count) answers"))
        }
        .frame(height: 140)
    }
}

private struct NamedStep: Identifiable {
    let id: Int
    let name: LocalizedStringKey
    let latency: Latency
}

/// A figure of a distribution, as the screens write it.
struct Percentile: Identifiable, Sendable {
    let name: String
    let value: @Sendable (Latency) -> Double

    var id: String { name }

    static let all = [
        Percentile(name: "p50") { $0.p50 },
        Percentile(name: "p90") { $0.p90 },
        Percentile(name: "p99") { $0.p99 },
    ]

    func written(_ latency: Latency) -> String {
        Self.written(value(latency))
    }

    static func written(_ milliseconds: Double) -> String {
        milliseconds.formatted(.number.precision(.fractionLength(2)))
    }
}

#Preview {
    LatencySheet(model: ChatModel(assistant: .preview), benchmark: .preview)
}
