import Foundation

/// What a user is told: what is wrong, the value, the limit, the remedy.
public enum ChatError: Error, Equatable, Sendable {
    /// A bundle that is damaged, unsigned, of another schema, or does not answer as it was sealed.
    case bundle(String)
    /// A runtime that refuses a file or fails at inference.
    case runtime(String)
    /// A runtime that this build or this device does not have.
    case missing(String)
    /// Ids that no runtime may see: some end the process on one out of range.
    case input(String)

    public var message: String {
        switch self {
        case .bundle(let message), .runtime(let message), .missing(let message),
            .input(let message):
            return message
        }
    }
}

extension ChatError: LocalizedError {
    public var errorDescription: String? { message }
}
