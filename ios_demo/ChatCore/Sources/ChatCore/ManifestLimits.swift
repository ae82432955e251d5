/// What a manifest may say: the limits of `pipeline/manifest.py`, so that no reader is the weakest.
enum Limits {
    static let manifestBytes = 16 << 20
    static let signatureBytes = 4096
    static let readBytes = 256 << 20  // of each file that is read into memory
    static let fileBytes = 4 << 30
    static let files = 10_000
    static let tokens = 1...(1 << 16)
    static let pieces = 1...(1 << 24)
    static let labels = 1...100_000
    static let artifacts = 1...100
    static let lengths = 1...100
    static let inputs = 2...3
    static let text = 2000  // code points
    static let largest = 1e6  // of a logit, a threshold, a tolerance
}

extension Manifest {
    /// Files that every bundle holds besides its artefacts.
    static let read = ["characters.json", "golden.json", "replies.json", "vocab.txt"]

    private static let inputNames: Set<String> = [
        "input_ids", "attention_mask", "ids", "mask", "segment_ids",
    ]

    /// Refuse values that no bundle has. Throws `ChatError`.
    func check() throws {
        try checkLabels()
        try require(tokenizer.type == "wordpiece", "tokenizer.type is \(tokenizer.type.prefix(20))")
        try require(Limits.tokens.contains(tokenizer.maxLength), "tokenizer.max_length")
        try require(Limits.pieces.contains(tokenizer.pieces), "tokenizer.pieces")
        try checkFiles()
        try require(Limits.artifacts.contains(artifacts.count), "artifacts")
        for (name, entry) in artifacts.sorted(by: { $0.key < $1.key }) {
            try check(entry, called: name)
        }
        let paths = artifacts.values.map(\.path)
        let roots = Set(files.keys.map { String($0.prefix { $0 != "/" }) })
        try require(
            Set(paths).count == paths.count && roots == Set(paths).union(Self.read),
            "files and artifacts do not belong together")
    }

    private func checkLabels() throws {
        try require(Limits.labels.contains(labels.count), "labels")
        for label in labels + [outOfScopeLabel, name] {
            try require(isName(label), "a label or the name")
        }
        // By bytes: Swift takes canonically equivalent strings for one, Python does not.
        let distinct = Set((labels + [outOfScopeLabel]).map { Array($0.utf8) })
        try require(
            distinct.count == labels.count + 1,
            "labels share a name, or one is that of out-of-scope texts")
    }

    private func checkFiles() throws {
        try require(files.count <= Limits.files, "files are more than \(Limits.files)")
        for (path, seal) in files {
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            try require(
                parts.count <= 21 && parts.allSatisfy(isFileName) && path != Self.file
                    && path != Integrity.signature,
                "files.\(path.prefix(60)) leaves the bundle, or is not in its shortest form")
            try require((0...Limits.fileBytes).contains(seal.bytes), "files.\(path).bytes")
            try require(seal.isDigest, "files.\(path).sha256")
        }
        for name in Self.read {
            try require(files[name] != nil, "files lack \(name)")
            try require(files[name]?.bytes ?? 0 <= Limits.readBytes, "files.\(name).bytes")
        }
    }

    private func check(_ entry: Entry, called name: String) throws {
        func require(_ holds: Bool, _ what: String) throws {
            try self.require(holds, "artifacts.\(name.prefix(60)).\(what)")
        }
        try require(isName(name) && entry.target == name, "target")
        try require(
            isFileName(entry.path[...]) && !Self.read.contains(entry.path)
                && entry.path != Self.file && entry.path != Integrity.signature, "path")
        try require(
            Limits.inputs.contains(entry.inputs.count)
                && Set(entry.inputs).count == entry.inputs.count
                && Self.inputNames.isSuperset(of: entry.inputs), "inputs")
        try require(["int32", "int64"].contains(entry.dtype), "dtype")
        for text in [entry.quantization, entry.minRuntime, entry.reason, entry.verifiedBy] {
            try require(text.unicodeScalars.count <= Limits.text, "a text is too long")
        }
        try require(
            Limits.lengths.contains(entry.lengths.count)
                && entry.lengths.allSatisfy(Limits.tokens.contains)
                && zip(entry.lengths, entry.lengths.dropFirst()).allSatisfy { $0 < $1 }
                && (!entry.dynamic || entry.lengths.count == 2), "lengths")
        try require(
            entry.lengths.last ?? 0 >= tokenizer.maxLength,
            "lengths end before the tokenizer's max_length")
        try require(entry.vocabulary == tokenizer.pieces, "vocabulary is not the tokenizer's")
        try require(entry.temperature > 0 && entry.temperature <= Limits.largest, "temperature")
        try require(abs(entry.threshold) <= Limits.largest, "threshold")
        try require((0...Limits.largest).contains(entry.tolerance), "tolerance")
    }

    private func require(_ holds: Bool, _ what: String) throws {
        guard holds else {
            throw ChatError.bundle(
                "\(Self.file) has a value that no bundle has: \(what). Make the bundle again.")
        }
    }
}

extension Seal {
    /// 64 lowercase hexadecimal digits.
    fileprivate var isDigest: Bool {
        sha256.utf8.count == 64
            && sha256.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

/// A name without control characters.
private func isName(_ name: String) -> Bool {
    let scalars = name.unicodeScalars
    return (1...500).contains(scalars.count)
        && scalars.allSatisfy { $0.value > 0x1F && $0.value != 0x7F }
}

/// One part of a path, which leads nowhere else on any system.
private func isFileName(_ name: Substring) -> Bool {
    let scalars = name.unicodeScalars
    return (1...200).contains(scalars.count) && name != "." && name != ".."
        && scalars.allSatisfy {
            $0.value > 0x1F && $0.value != 0x7F && !"/\\:".unicodeScalars.contains($0)
        }
}
