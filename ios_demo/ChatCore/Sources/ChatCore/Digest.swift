import Foundation

#if canImport(CryptoKit)
    import CryptoKit

    /// Lowercase hexadecimal sha256.
    public func sha256(_ data: Data) -> String {
        SHA256.hash(data: data).map { hexadecimal($0) }.joined()
    }

    /// Whether `signature` (ECDSA P-256, SHA-256, DER) of `data` is by the owner of the PEM `key`.
    func isSigned(_ data: Data, with signature: Data, by key: String) throws -> Bool {
        guard let key = try? P256.Signing.PublicKey(pemRepresentation: key) else {
            throw ChatError.bundle("The public key is no P-256 key in PEM. Use that of keygen.")
        }
        guard let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature) else {
            return false
        }
        return key.isValidSignature(signature, for: data)
    }
#else
    /// Lowercase hexadecimal sha256, after FIPS 180-4; Linux's Foundation has none.
    public func sha256(_ data: Data) -> String {
        var state: [UInt32] = [
            0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
            0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
        ]
        var message = [UInt8](data)
        let bits = UInt64(message.count) * 8
        message.append(0x80)
        while message.count % 64 != 56 { message.append(0) }
        for shift in stride(from: 56, through: 0, by: -8) {
            message.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        var words = [UInt32](repeating: 0, count: 64)
        for block in stride(from: 0, to: message.count, by: 64) {
            compress(message, from: block, into: &state, words: &words)
        }
        return state.flatMap { word in
            stride(from: 24, through: 0, by: -8).map { shift in
                hexadecimal(UInt8(truncatingIfNeeded: word >> UInt32(shift)))
            }
        }.joined()
    }

    private func compress(
        _ message: [UInt8], from block: Int, into state: inout [UInt32], words: inout [UInt32]
    ) {
        for index in 0..<16 {
            let at = block + index * 4
            let high = UInt32(message[at]) << 24 | UInt32(message[at + 1]) << 16
            words[index] = high | UInt32(message[at + 2]) << 8 | UInt32(message[at + 3])
        }
        for index in 16..<64 {
            let far = words[index - 15]
            let near = words[index - 2]
            let sigma0 = rotate(far, 7) ^ rotate(far, 18) ^ (far >> 3)
            let sigma1 = rotate(near, 17) ^ rotate(near, 19) ^ (near >> 10)
            words[index] = words[index - 16] &+ sigma0 &+ words[index - 7] &+ sigma1
        }
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        for index in 0..<64 {
            let sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
            let choice = (e & f) ^ (~e & g)
            let first = h &+ sum1 &+ choice &+ roundConstants[index] &+ words[index]
            let sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
            let majority = (a & b) ^ (a & c) ^ (b & c)
            (h, g, f, e) = (g, f, e, d &+ first)
            (d, c, b, a) = (c, b, a, first &+ sum0 &+ majority)
        }
        let mixed = [a, b, c, d, e, f, g, h]
        for index in 0..<8 { state[index] = state[index] &+ mixed[index] }
    }

    private func rotate(_ word: UInt32, _ bits: UInt32) -> UInt32 {
        word >> bits | word << (32 - bits)
    }

    private let roundConstants: [UInt32] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5,
        0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3,
        0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc,
        0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
        0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13,
        0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3,
        0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5,
        0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208,
        0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ]

    func isSigned(_ data: Data, with signature: Data, by key: String) throws -> Bool {
        throw ChatError.bundle("Signatures are checked on Apple's systems only. Give no key here.")
    }
#endif

private func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
}
