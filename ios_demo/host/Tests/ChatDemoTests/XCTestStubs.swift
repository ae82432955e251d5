// What Linux's XCTest lacks: stubs, as in `stubs`.
import XCTest

protocol XCTMetric {}

final class XCTClockMetric: XCTMetric {}

final class XCTCPUMetric: XCTMetric {}

extension XCTestCase {
    func measure(metrics: [any XCTMetric], block: () -> Void) {
        block()
    }
}
