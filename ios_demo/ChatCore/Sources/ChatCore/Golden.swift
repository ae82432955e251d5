/// A text with the ids and the logits per artefact that every reader must reproduce.
public struct GoldenCase: Sendable, Decodable {
    public let text: String
    public let ids: [Int32]
    public let logits: [String: [Float]]
    let mask: [Int]

    private enum CodingKeys: String, CodingKey {
        case text, logits
        case ids = "input_ids"
        case mask = "attention_mask"
    }
}

/// `golden.json`; the first `torture` of the cases are there to break tokenizers.
struct Golden: Decodable {
    let torture: Int
    let cases: [GoldenCase]

    /// Refuse cases that no runtime may see, or that do not belong to `manifest`.
    func check(against manifest: Manifest) throws {
        guard !cases.isEmpty, (0...cases.count).contains(torture) else {
            throw ChatError.bundle(
                "golden.json has \(cases.count) cases, \(torture) of them to break tokenizers. "
                    + "Make the bundle again.")
        }
        for (row, one) in cases.enumerated() where !one.belongs(to: manifest) {
            throw ChatError.bundle(
                "golden.json: case \(row) has other ids, masks or logits than the manifest's "
                    + "vocabulary, labels and artefacts allow. Make the bundle again.")
        }
    }
}

extension GoldenCase {
    fileprivate func belongs(to manifest: Manifest) -> Bool {
        (1...manifest.tokenizer.maxLength).contains(ids.count)
            && mask == [Int](repeating: 1, count: ids.count)
            && ids.allSatisfy { $0 >= 0 && Int($0) < manifest.tokenizer.pieces }
            && Set(logits.keys) == Set(manifest.artifacts.keys)
            && logits.values.allSatisfy { row in
                row.count == manifest.labels.count
                    && row.allSatisfy { abs($0) <= Float(Limits.largest) }
            }
    }

    /// How far `found` is from what was sealed for `artifact`: the largest difference, and whether
    /// the label is the same. Labels that were sealed within `tie` of each other count as the same.
    func compare(_ found: [Float], with artifact: String, tie: Float) -> (Float, sameLabel: Bool)? {
        guard let sealed = logits[artifact], sealed.count == found.count,
            let best = found.indices.max(by: { found[$0] < found[$1] }),
            let highest = sealed.max()
        else { return nil }
        var worst: Float = 0
        for (one, other) in zip(found, sealed) {
            let difference = abs(one - other)
            // NaN is no number to be within any limit, and stays the worst.
            if !worst.isNaN && !(difference <= worst) { worst = difference }
        }
        return (worst, sameLabel: highest - sealed[best] <= tie)
    }
}
