// swift-format-ignore-file
// Faults that a screen or a runtime could have. `scripts/test_ios` has the compiler confirm that the stubs catch
// each of them.
import Charts
import CoreAI
import SwiftUI

struct Planted: View {
    @State private var count = 0
    @FocusState private var isWriting: Bool

    var body: some View {
        Text(verbatim: "text").nosuchmodifier()  // expected-error {{value of type 'Text' has no member 'nosuchmodifier'}}
    }

    var wrongType: some View {
        Text(verbatim: count)  // expected-error {{cannot convert value of type 'Int' to expected argument type 'String'}}
    }

    var wrongBinding: some View {
        TextField("key", text: $count)  // expected-error {{cannot convert value of type 'Binding<Int>' to expected argument type 'Binding<String>'}} expected-note {{arguments to generic parameter 'Value' ('Int' and 'String') are expected to be equal}}
    }

    var noPlottable: some View {
        Chart([1.0], id: \.self) { value in
            BarMark(x: .value("key", Planted()), y: .value("key", value))  // expected-error {{requires that 'Planted' conform to 'Plottable'}}
        }
    }

    nonisolated func offTheMainActor() -> some View {
        self.onMain()  // expected-error {{call to main actor-isolated instance method 'onMain()' in a synchronous nonisolated context}}
    }

    @MainActor func onMain() -> Text { Text(verbatim: "") }  // expected-note {{calls to instance method 'onMain()' from outside of its actor context are implicitly asynchronous}}
}

#Preview { Planted(wrong: 1) }  // expected-error {{argument passed to call that takes no arguments}}

func wrongArray(_ function: InferenceFunction) async throws {
    _ = try await function.run(inputs: ["ids": [1]])  // expected-error {{cannot convert value of type '[Int]' to expected dictionary value type 'NDArray'}}
}

func notUnwrapped(_ model: AIModel) throws -> InferenceFunction {
    try model.loadFunction(named: "length_8")  // expected-error {{value of optional type 'InferenceFunction?' must be unwrapped to a value of type 'InferenceFunction'}} expected-note {{coalesce using '??'}} expected-note {{force-unwrap using '!'}}
}
