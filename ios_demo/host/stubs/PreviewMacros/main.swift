// The compiler's plugin for the stub of `#Preview`, in the compiler's own protocol: eight bytes of
// length, little-endian, then JSON. By the time it is asked, the compiler has type-checked what the
// preview shows; so it expands to nothing.
import Foundation

func read(_ count: Int) -> Data? {
    let data = FileHandle.standardInput.readData(ofLength: count)
    return data.count == count ? data : nil
}

func send(_ message: [String: Any]) throws {
    let data = try JSONSerialization.data(withJSONObject: message)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: data.count >> ($0 * 8)) }
    FileHandle.standardOutput.write(Data(length) + data)
}

while let header = read(8) {
    let length = header.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard let body = read(length),
        let asked = try JSONSerialization.jsonObject(with: body) as? [String: Any]
    else { break }
    switch asked.keys.first {
    case "getCapability":
        try send(["getCapabilityResult": ["capability": ["protocolVersion": 7]]])
    case "expandFreestandingMacro":
        try send(["expandMacroResult": ["expandedSource": "", "diagnostics": []]])
    default:
        try send(["loadPluginLibraryResult": ["loaded": false, "diagnostics": []]])
    }
}
