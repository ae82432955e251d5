import CLiteRt
import Foundation
import XCTest

@testable import ChatCore

/// The real `.tflite` through LiteRT's C API: golden cases from the tokenizer to the logits.
final class LiteRtTests: XCTestCase {
    /// BUNDLE in the environment names a whole bundle, such as build/bundle.
    func testGoldenCasesAreReproduced() async throws {
        guard let path = ProcessInfo.processInfo.environment["BUNDLE"] else {
            throw XCTSkip("not run: BUNDLE names no bundle")
        }
        let bundle = try ChatBundle.open(URL(filePath: path))
        let classifier = try await bundle.load("tflite") { artifact in
            let model = try LiteRtModel(artifact)
            return Classifier(runtime: "LiteRT") { try model.logits($0) }
        }
        var engine = ChatEngine(
            bundle: bundle, artifact: try bundle.artifact("tflite"), classifier: classifier)
        var understood = 0
        for text in bundle.realTexts {
            if try await engine.answer(text).intent != nil { understood += 1 }
        }
        XCTAssertGreaterThan(understood, bundle.realTexts.count / 2)
    }

    /// The app asks LiteRT for neither, whose Swift interface has other names in every release.
    func testSignaturesAndTheirInputsComeInTheOrderOfTheManifest() throws {
        guard let path = ProcessInfo.processInfo.environment["BUNDLE"] else {
            throw XCTSkip("not run: BUNDLE names no bundle")
        }
        let artifact = try ChatBundle.open(URL(filePath: path)).artifact("tflite")
        let model = try LiteRtModel(artifact)
        XCTAssertEqual(model.lengths, artifact.lengths)
        let order = artifact.inputs.map { $0 == "attention_mask" }
        XCTAssertEqual(model.masks, artifact.lengths.map { _ in order })
    }

    func testFileThatIsNoModelIsAnError() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try Data("no model".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let artifact = Artifact(
            name: "tflite", url: file, seals: [:], inputs: [], lengths: [8], dynamic: false,
            vocabulary: 8, labels: 2, minRuntime: "", temperature: 1, threshold: 0, tolerance: 0,
            verifiedBy: "")
        XCTAssertThrowsError(try LiteRtModel(artifact)) { error in
            guard case .runtime? = error as? ChatError else { return XCTFail("\(error)") }
        }
    }
}

/// One signature for each length, its buffers written anew for every text.
private final class LiteRtModel: @unchecked Sendable {  // `lock` guards the buffers
    private struct Signature {
        var index = 0
        var inputs: [UnsafeMutableRawPointer?] = []
        var isMask: [Bool] = []
        var output: UnsafeMutableRawPointer?
    }

    private let artifact: Artifact
    private var environment: UnsafeMutableRawPointer?
    private var model: UnsafeMutableRawPointer?
    private var options: UnsafeMutableRawPointer?
    private var compiled: UnsafeMutableRawPointer?
    private var signatures: [Int: Signature] = [:]
    private let lock = NSLock()

    init(_ artifact: Artifact) throws {
        self.artifact = artifact
        try check(LiteRtCreateEnvironment(0, nil, &environment), "environment")
        try check(LiteRtCreateModelFromFile(environment, artifact.url.path, &model), "model")
        try check(LiteRtCreateOptions(&options), "options")
        try check(LiteRtSetOptionsHardwareAccelerators(options, Int32(kCpu)), "accelerator")
        try check(
            LiteRtCreateCompiledModel(environment, model, options, &compiled), "compilation")
        var count = 0
        try check(LiteRtGetNumModelSignatures(model, &count), "signatures")
        for index in 0..<count {
            let (length, signature) = try makeSignature(index)
            signatures[length] = signature
        }
    }

    /// Of the signatures, in their order.
    var lengths: [Int] { signatures.sorted { $0.value.index < $1.value.index }.map(\.key) }

    /// Which inputs of which signature are masks.
    var masks: [[Bool]] { signatures.values.map(\.isMask) }

    deinit {
        for signature in signatures.values {
            for buffer in signature.inputs + [signature.output] {
                LiteRtDestroyTensorBuffer(buffer)
            }
        }
        LiteRtDestroyCompiledModel(compiled)
        LiteRtDestroyOptions(options)
        LiteRtDestroyModel(model)
        LiteRtDestroyEnvironment(environment)
    }

    func logits(_ ids: [Int32]) throws -> [Float] {
        try artifact.check(ids)
        lock.lock()
        defer { lock.unlock() }
        let length = artifact.length(for: ids.count)
        guard let signature = signatures[length] else {
            throw ChatError.runtime("LiteRT has no signature of \(length) tokens.")
        }
        for (buffer, isMask) in zip(signature.inputs, signature.isMask) {
            try withBuffer(buffer, Int32(kWrite)) { address in
                let row = address.bindMemory(to: Int32.self, capacity: length)
                for place in 0..<length {
                    row[place] = place >= ids.count ? 0 : isMask ? 1 : ids[place]
                }
            }
        }
        var inputs = signature.inputs
        var output = signature.output
        try check(
            LiteRtRunCompiledModel(
                compiled, signature.index, inputs.count, &inputs, 1, &output), "inference")
        var bytes = 0
        try check(LiteRtGetTensorBufferPackedSize(output, &bytes), "size")
        let count = bytes / MemoryLayout<Float>.size
        var logits: [Float] = []
        try withBuffer(output, Int32(kRead)) { address in
            let row = address.bindMemory(to: Float.self, capacity: count)
            logits = Array(UnsafeBufferPointer(start: row, count: count))
        }
        return try artifact.check(logits, of: "LiteRT")
    }

    private func makeSignature(_ index: Int) throws -> (Int, Signature) {
        var signature: UnsafeMutableRawPointer?
        var key: UnsafePointer<CChar>?
        try check(LiteRtGetModelSignature(model, index, &signature), "signature")
        try check(LiteRtGetSignatureKey(signature, &key), "key")
        guard let key, let length = Int(String(cString: key).dropFirst("length_".count)) else {
            throw ChatError.runtime("LiteRT has a signature that is not called length_N.")
        }
        var made = Signature(index: index)
        for input in 0..<artifact.inputs.count {
            var name: UnsafePointer<CChar>?
            try check(LiteRtGetSignatureInputName(signature, input, &name), "name")
            made.isMask.append(name.map { String(cString: $0) } == "attention_mask")
            var tensor: UnsafeMutableRawPointer?
            var requirements: UnsafeMutableRawPointer?
            try check(LiteRtGetSignatureInputTensorByIndex(signature, input, &tensor), "input")
            try check(
                LiteRtGetCompiledModelInputBufferRequirements(
                    compiled, index, input, &requirements), "requirements")
            made.inputs.append(try makeBuffer(tensor, requirements))
        }
        var tensor: UnsafeMutableRawPointer?
        var requirements: UnsafeMutableRawPointer?
        try check(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor), "output")
        try check(
            LiteRtGetCompiledModelOutputBufferRequirements(compiled, index, 0, &requirements),
            "requirements")
        made.output = try makeBuffer(tensor, requirements)
        return (length, made)
    }

    private func makeBuffer(
        _ tensor: UnsafeMutableRawPointer?, _ requirements: UnsafeMutableRawPointer?
    ) throws -> UnsafeMutableRawPointer? {
        var type = TensorType()
        var buffer: UnsafeMutableRawPointer?
        try check(LiteRtGetRankedTensorType(tensor, &type), "type")
        try check(
            LiteRtCreateManagedTensorBufferFromRequirements(
                environment, &type, requirements, &buffer), "buffer")
        return buffer
    }

    private func withBuffer(
        _ buffer: UnsafeMutableRawPointer?, _ mode: Int32,
        _ body: (UnsafeMutableRawPointer) -> Void
    ) throws {
        var address: UnsafeMutableRawPointer?
        try check(LiteRtLockTensorBuffer(buffer, &address, mode), "lock")
        if let address { body(address) }
        try check(LiteRtUnlockTensorBuffer(buffer), "unlock")
    }

    private func check(_ status: Int32, _ what: String) throws {
        if status != 0 { throw ChatError.runtime("LiteRT fails at \(what), status \(status).") }
    }
}
