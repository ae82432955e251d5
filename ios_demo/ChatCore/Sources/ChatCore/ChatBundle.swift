import Foundation

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
            let data = try Integrity.read(Manifest.file, in: folder, limit: Limits.manifestBytes)
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
        try golden.check(against: manifest)
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
        guard tokenizer.pieces == manifest.tokenizer.pieces else {
            throw ChatError.bundle(
                "vocab.txt has \(tokenizer.pieces) pieces, and the manifest says "
                    + "\(manifest.tokenizer.pieces). Make the bundle again.")
        }
        for label in labels + [outOfScopeLabel] where replies[label, default: []].isEmpty {
            throw ChatError.bundle("replies.json has none for \(label). Make the bundle again.")
        }
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

    /// Load the artefact `name` and have it reproduce the golden cases. Throws `ChatError`.
    public func load(_ name: String, with loader: ClassifierLoader) async throws -> Classifier {
        let artifact = try self.artifact(name)
        // Again, since whoever installs may have put another bundle here meanwhile.
        for (file, seal) in artifact.seals { try Integrity.check(file, in: folder, seal) }
        var classifier = try await loader(artifact)
        classifier.difference = try await check(classifier, of: artifact)
        return classifier
    }

    /// Have `classifier` reproduce the golden cases: equal ids, the sealed label, logits within the
    /// tolerance. Returns the largest difference. Throws `ChatError`.
    @discardableResult
    public func check(_ classifier: Classifier, of artifact: Artifact) async throws -> Float {
        let allowed = max(artifact.tolerance, classifier.rounding)
        var worst: Float = 0
        for (row, one) in golden.enumerated() {
            let ids = tokenizer.encode(one.text)
            guard ids == one.ids else {
                throw ChatError.bundle(
                    "Golden text \(row) is tokenised otherwise than sealed. Make the bundle again.")
            }
            let found = try await classifier.logits(ids)
            // Only a tie may be decided otherwise: rounding alone decided it where it was sealed.
            let compared = one.compare(found, with: artifact.name, tie: artifact.tolerance)
            guard let (difference, sameLabel) = compared, difference <= allowed, sameLabel else {
                throw ChatError.bundle(
                    "\(classifier.runtime) gives golden text \(row) "
                        + describe(compared, found.count, allowed)
                        + " This runtime computes otherwise than the one that was verified; "
                        + "do not use it here.")
            }
            worst = max(worst, difference)
        }
        return worst
    }

    private func describe(
        _ compared: (difference: Float, sameLabel: Bool)?, _ count: Int, _ allowed: Float
    ) -> String {
        guard let (difference, sameLabel) = compared else {
            return "\(count) logits, and \(labels.count) labels are sealed."
        }
        if difference <= allowed && !sameLabel { return "another label than was sealed." }
        return "logits that differ by \(difference), and \(allowed) is allowed."
    }
}
