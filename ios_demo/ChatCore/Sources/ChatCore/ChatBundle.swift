import Foundation

/// A text with the ids and the logits per artefact that every reader must reproduce.
public struct GoldenCase: Sendable, Decodable {
    public let text: String
    public let ids: [Int32]
    public let logits: [String: [Float]]

    private enum CodingKeys: String, CodingKey {
        case text, logits
        case ids = "input_ids"
    }
}

/// An opened bundle; every digest in it has been checked.
public struct ChatBundle: Sendable {
    public let folder: URL
    public let name: String
    public let labels: [String]
    public let outOfScopeLabel: String
    public let replies: [String: [String]]
    public let artifacts: [String: Artifact]
    public let tokenizer: WordPiece
    public let golden: [GoldenCase]
    public let realTexts: [String]

    /// Check every file of the bundle in `folder` against its manifest, and open it.
    ///
    /// With a `key` in PEM, the manifest must be signed with it. Throws `ChatError`.
    public static func open(_ folder: URL, key: String? = nil) throws -> ChatBundle {
        do {
            let data = try Manifest.data(in: folder)
            if let key { try Integrity.checkSignature(of: data, in: folder, by: key) }
            let manifest = try Manifest(data)
            try Integrity.checkFiles(
                in: folder, seals: manifest.files,
                optional: Set(manifest.artifacts.values.map(\.path)))
            return try ChatBundle(folder: folder, manifest: manifest)
        } catch let error as ChatError {
            throw error
        } catch {
            throw ChatError.bundle(
                "\(folder.path): \(error); not a bundle that pocketbert wrote. Make it again.")
        }
    }

    private init(folder: URL, manifest: Manifest) throws {
        func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
            try JSONDecoder().decode(type, from: Data(contentsOf: folder.appending(path: name)))
        }
        let golden = try decode(Golden.self, "golden.json")
        self.folder = folder
        name = manifest.name
        labels = manifest.labels
        outOfScopeLabel = manifest.outOfScopeLabel
        replies = try decode([String: [String]].self, "replies.json")
        artifacts = manifest.artifacts(in: folder)
        tokenizer = try WordPiece(
            vocabulary: [UInt8](Data(contentsOf: folder.appending(path: "vocab.txt"))),
            characters: decode(CharacterTable.self, "characters.json"),
            maxLength: manifest.tokenizer.maxLength)
        self.golden = golden.cases
        realTexts = golden.cases.dropFirst(golden.torture).map(\.text)
    }

    /// The artefact `name` that this bundle, or part of one, carries.
    public func artifact(_ name: String) throws -> Artifact {
        guard let artifact = artifacts[name] else {
            throw ChatError.bundle(
                "The bundle carries no \(name) artefact, but "
                    + artifacts.keys.sorted().joined(separator: ", ") + ".")
        }
        return artifact
    }

    /// Load the artefact `name` and have it reproduce the golden cases.
    public func load(_ name: String, with loader: ClassifierLoader) throws -> Classifier {
        let artifact = try self.artifact(name)
        let classifier = try loader(artifact)
        try check(classifier, of: artifact)
        return classifier
    }

    /// Have `classifier` reproduce the golden cases.
    func check(_ classifier: Classifier, of artifact: Artifact) throws {
        for (row, one) in golden.enumerated() {
            try reproduce(row, one, artifact, classifier)
        }
    }

    private func reproduce(
        _ row: Int, _ one: GoldenCase, _ artifact: Artifact, _ classifier: Classifier
    ) throws {
        let ids = tokenizer.encode(one.text)
        guard ids == one.ids else {
            throw ChatError.bundle(
                "Golden text \(row) is tokenised otherwise than sealed. Make the bundle again.")
        }
        let sealed = one.logits[artifact.name] ?? []
        let logits = try classifier.logits(ids)
        let differences = zip(logits, sealed).map { abs($0 - $1) }
        let near = differences.allSatisfy { $0 <= artifact.tolerance }  // no number is not near
        guard logits.count == sealed.count, near else {
            let worst = differences.max() ?? 0
            throw ChatError.bundle(
                "\(artifact.name) gives golden text \(row) logits that differ by \(worst), and "
                    + "\(artifact.tolerance) is allowed. This runtime computes otherwise than the "
                    + "one that was verified; do not use it here.")
        }
    }
}

private struct Golden: Decodable {
    let torture: Int
    let cases: [GoldenCase]
}
