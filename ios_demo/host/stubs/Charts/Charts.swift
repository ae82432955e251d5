import Foundation
import SwiftUI

public protocol ChartContent {
    associatedtype Body: ChartContent
    @ChartContentBuilder var body: Body { get }
}

extension Never: ChartContent {}

@resultBuilder
public enum ChartContentBuilder {
    public static func buildBlock<Content: ChartContent>(_ content: Content) -> Content {
        content
    }
}

public struct Chart<Content: ChartContent>: Primitive {
    public init<Data: RandomAccessCollection, C: ChartContent>(
        _ data: Data, @ChartContentBuilder content: @escaping (Data.Element) -> C
    ) where Content == ForEach<Data, Data.Element.ID, C>, Data.Element: Identifiable {}
    public init<Data: RandomAccessCollection, ID: Hashable, C: ChartContent>(
        _ data: Data, id: KeyPath<Data.Element, ID>,
        @ChartContentBuilder content: @escaping (Data.Element) -> C
    ) where Content == ForEach<Data, ID, C> {}
}

extension ForEach: ChartContent where Content: ChartContent {
    public var body: Never { stub() }
}

extension ForEach where ID == Data.Element.ID, Content: ChartContent, Data.Element: Identifiable {
    public init(_ data: Data, @ChartContentBuilder content: @escaping (Data.Element) -> Content) {
        stub()
    }
}

public protocol Plottable {}
extension Double: Plottable {}
extension Int: Plottable {}
extension String: Plottable {}

public struct PlottableValue<Value: Plottable> {
    public static func value(_ key: LocalizedStringKey, _ value: Value) -> PlottableValue<Value> {
        stub()
    }
    public static func value(
        _ key: LocalizedStringKey, _ range: ChartBinRange<Value>
    ) -> PlottableValue<Value> where Value: Comparable { stub() }
}

public struct ChartBinRange<Bound: Comparable> {
    public let lowerBound: Bound
    public let upperBound: Bound
}

public struct NumberBins<Value: Numeric & Comparable> {
    public init(data: [Value], desiredCount: Int? = nil, minimumStride: Value = 0)
    where Value: BinaryFloatingPoint {}
    public subscript(position: Int) -> ChartBinRange<Value> { stub() }
    public func index(for value: Value) -> Int { stub() }
}

public struct MarkDimension {
    public static var automatic: MarkDimension { stub() }
}

public struct MarkStackingMethod {
    public static var standard: MarkStackingMethod { stub() }
}

public struct BarMark: ChartContent {
    public init<X: Plottable, Y: Plottable>(
        x: PlottableValue<X>, y: PlottableValue<Y>, width: MarkDimension = .automatic,
        height: MarkDimension = .automatic, stacking: MarkStackingMethod = .standard
    ) {}
    public var body: Never { stub() }
}

extension ChartContent {
    public func foregroundStyle<D: Plottable>(by value: PlottableValue<D>) -> some ChartContent {
        self
    }
    public func position<P: Plottable>(
        by value: PlottableValue<P>, axis: Axis? = nil, span: MarkDimension = .automatic
    ) -> some ChartContent { self }
    public func accessibilityLabel(_ label: Text) -> some ChartContent { self }
    public func accessibilityValue(_ value: Text) -> some ChartContent { self }
}
