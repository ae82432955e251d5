import Charts
import ChatCore
import SwiftUI
import UIKit

/// Every runtime measured, side by side, and the records to share.
struct BenchmarkScreen: View {
    @State private var model: BenchmarkModel

    init(runtimes: [Runtime], benchmark: Benchmark) {
        _model = State(initialValue: BenchmarkModel(runtimes: runtimes, benchmark: benchmark))
    }

    var body: some View {
        List {
            if let running = model.running {
                ProgressView(value: model.progress) {
                    Text("\(running.rawValue) is being measured.")
                }
            }
            if !measured.isEmpty {
                Section("Inference, milliseconds") { chart }
            }
            ForEach(model.findings) { FindingSection(finding: $0) }
            if model.findings.isEmpty && model.running == nil {
                Text("Each runtime is loaded anew and asked for ten seconds. Leave the app open.")
            }
        }
        .navigationTitle("Measurement")
        .toolbar {
            ToolbarItem(placement: .topBarTrailing) {
                ShareLink(items: model.files).disabled(model.files.isEmpty)
            }
            ToolbarItem(placement: .bottomBar) {
                if model.running == nil {
                    Button("Measure") { Task { await measure() } }
                } else {
                    Button("Stop", role: .cancel) { model.stop() }
                }
            }
        }
        .onDisappear { model.stop() }
    }

    private var measured: [Finding] { model.findings.filter { $0.record != nil } }

    private var chart: some View {
        Chart(measured) { finding in
            ForEach(Percentile.all.prefix(2)) { percentile in
                let value = finding.record.map { percentile.value($0.wall.inference) } ?? 0
                BarMark(
                    x: .value("Milliseconds", value),
                    y: .value("Runtime", finding.runtime.rawValue)
                )
                .foregroundStyle(by: .value("Percentile", percentile.name))
                .position(by: .value("Percentile", percentile.name))
                .accessibilityLabel(Text(verbatim: finding.runtime.rawValue))
                .accessibilityValue(
                    Text(verbatim: "\(percentile.name) \(Percentile.written(value))"))
            }
        }
        .frame(height: CGFloat(60 + 56 * measured.count))
    }

    private func measure() async {
        UIApplication.shared.isIdleTimerDisabled = true
        await model.start()
        UIApplication.shared.isIdleTimerDisabled = false
    }
}

/// What was found for one runtime.
private struct FindingSection: View {
    let finding: Finding

    var body: some View {
        Section {
            if let record = finding.record {
                ForEach(Percentile.all) { percentile in
                    LabeledContent {
                        Text(verbatim: percentile.written(record.wall.answer)).monospacedDigit()
                    } label: {
                        Text("Answer, \(percentile.name), milliseconds")
                    }
                }
                if let thermal = record.thermal {
                    LabeledContent {
                        Text(verbatim: "\(thermal.before) → \(thermal.after)")
                    } label: {
                        Text("Thermal state")
                    }
                }
                ForEach(record.remarks, id: \.self) { Text(verbatim: $0).font(.footnote) }
            }
            if let failure = finding.failure { Text(verbatim: failure).font(.footnote) }
        } header: {
            Text(verbatim: finding.runtime.rawValue)
        }
    }
}

#Preview {
    NavigationStack { BenchmarkScreen(runtimes: Runtime.allCases, benchmark: .preview) }
}
