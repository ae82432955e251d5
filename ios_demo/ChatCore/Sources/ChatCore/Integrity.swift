import Foundation

/// What makes a bundle the one that was sealed.
enum Integrity {
    static let signature = "manifest.sig"
    private static let shown = 12

    /// The bytes of `name` in `folder`: a plain file of at most `limit` bytes, and no link.
    static func read(_ name: String, in folder: URL, limit: Int) throws -> Data {
        let file = folder.appending(path: name)
        guard
            let found = try? FileManager.default.attributesOfItem(atPath: file.path),
            found[.type] as? FileAttributeType == FileAttributeType.typeRegular
        else {
            throw ChatError.bundle("\(folder.path) holds no \(name). Install a bundle.")
        }
        let bytes = (found[.size] as? NSNumber)?.intValue ?? Int.max
        guard bytes <= limit else {
            throw ChatError.bundle(
                "\(file.path) has \(bytes) bytes, and \(limit) are allowed. Make the bundle again.")
        }
        return try Data(contentsOf: file, options: .mappedIfSafe)
    }

    /// Refuse a manifest that is not signed with `key`: ECDSA over its bytes, SHA-256, DER.
    static func checkSignature(of manifest: Data, in folder: URL, by key: String) throws {
        let found = try read(signature, in: folder, limit: Limits.signatureBytes)
        guard try isSigned(manifest, with: found, by: key) else {
            throw ChatError.bundle(
                "\(folder.path) is not signed with this key. Install another one.")
        }
    }

    /// Compare the files in `folder` with their `seals`.
    ///
    /// Nothing may be changed or added. Only whole artefacts may be missing: those in `optional`.
    static func checkFiles(
        in folder: URL, seals: [String: Seal], optional: Set<String>
    ) throws {
        let found = try files(in: folder)
        if let added = found.subtracting(seals.keys).subtracting([Manifest.file, signature]).min() {
            throw ChatError.bundle(
                "\(folder.path)/\(added) is not in the manifest. Install the bundle again.")
        }
        let present = Set(found.map { root(of: $0) })
        for (name, seal) in seals {
            if optional.contains(root(of: name)) && !present.contains(root(of: name)) { continue }
            guard found.contains(name) else {
                throw ChatError.bundle("\(folder.path)/\(name) is missing. Install it again.")
            }
            try check(name, in: folder, seal)
        }
    }

    /// Compare one file of the bundle in `folder` with its seal.
    static func check(_ name: String, in folder: URL, _ seal: Seal) throws {
        let data = try read(name, in: folder, limit: Limits.fileBytes)
        let path = folder.appending(path: name).path
        guard data.count == seal.bytes else {
            throw ChatError.bundle(
                "\(path) has \(data.count) bytes, and \(seal.bytes) were sealed. "
                    + "Install it again.")
        }
        let digest = sha256(data)
        guard digest == seal.sha256 else {
            throw ChatError.bundle(
                "\(path) has sha256 \(digest.prefix(shown))…, and "
                    + "\(seal.sha256.prefix(shown))… was sealed: it was changed. "
                    + "Install the bundle again.")
        }
    }

    private static func root(of name: String) -> String {
        String(name.prefix { $0 != "/" })
    }

    /// Paths of all files below `folder`, from there.
    private static func files(in folder: URL) throws -> Set<String> {
        var found: Set<String> = []
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            let path = folder.appending(path: name).path
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            let type = attributes[.type] as? FileAttributeType
            if type == FileAttributeType.typeRegular {
                found.insert(name)
            } else if type != FileAttributeType.typeDirectory {
                throw ChatError.bundle("\(path) is a link. Copy files.")
            }
        }
        return found
    }
}
