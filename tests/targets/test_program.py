"""What a `.pte` holds is read from its bytes: no runtime, no kernel and no clock has a say."""

import pytest
from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import (
    PerChannelQuant,
    PerTokenDynamicQuant,
    XNNDatatype,
    XNNFullyConnected,
    XNNGraph,
    XNNNegate,
    XNNQuantizedTensorValue,
    XNNTensorValue,
    XNode,
    XValue,
)
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import (
    serialize_xnnpack_binary,
)

from pocketbert.targets import get_target
from pocketbert.targets.executorch import profile
from pocketbert.targets.executorch.program import parse_graph, read_delegate

QUANTIZATION = {
    "qdint8": PerTokenDynamicQuant(num_nonbatch_dims=1),
    "qcint8": PerChannelQuant([1.0], channel_dim=0, scale_buffer_idx=0, num_scales=1),
    "qcint4": PerChannelQuant([1.0], channel_dim=0, scale_buffer_idx=0, num_scales=1),
}


def value(number, kind):
    datatype = XNNDatatype[f"xnn_datatype_{kind}"]
    plain = XNNTensorValue(datatype, 2, [1, 1], 0, number, 0, number)
    quantized = QUANTIZATION.get(kind)
    return XValue(XNNQuantizedTensorValue(plain, quantized) if quantized else plain)


def delegate(inputs, weights):
    """A delegate of one linear over these types, and one operator more."""
    values = [value(0, inputs), value(1, weights), value(2, "fp32"), value(3, "fp32")]
    nodes = [XNode(XNNFullyConnected(0, 1, 2**32 - 1, 2, 0), 0), XNode(XNNNegate(2, 3, 0), 1)]
    graph = XNNGraph("0", nodes, values, 4, [0], [3], [])
    return serialize_xnnpack_binary(graph, bytearray())


@pytest.mark.parametrize(
    ("inputs", "weights", "products"),
    [
        ("qdint8", "qcint8", 1),
        ("fp32", "qcint8", 0),  # planted: float activations
        ("qdint8", "qcint4", 0),  # planted: weights of four bits
        ("fp32", "fp32", 0),
    ],
)
def test_int8_products_are_known_by_their_data_types(inputs, weights, products):
    found = read_delegate(delegate(inputs, weights))
    assert (found.count, found.int8_products) == (2, products)


def test_host_that_cannot_run_the_file_reads_the_same(lowered, monkeypatch):
    # Planted: a runtime that answers nothing. A gate that ran the file, and asked for the names
    # of the kernels, failed right files on processors for which XNNPACK has others.
    def refuse(*_, **__):
        raise RuntimeError("illegal instruction")

    from executorch.extension.pybindings import portable_lib

    monkeypatch.setattr(portable_lib, "_load_for_executorch", refuse)
    monkeypatch.setattr(profile, "time_operators", refuse)
    (graph,) = get_target("executorch").read(lowered("executorch")).graphs
    assert graph.int8_products == 11
    assert graph.delegated > 50


@pytest.mark.parametrize("inputs", ["QD8", "QDU8", "QP8"])
def test_kernel_of_every_processor_counts_as_int8(inputs):
    assert profile.is_int8_product(f"Fully Connected (NC, {inputs}, F32, QC8W) GEMM")
    assert not profile.is_int8_product("Fully Connected (NC, F32) GEMM")
    assert not profile.is_int8_product(f"Convert (NC, F32, {inputs})")


def test_a_graph_with_a_relu_is_read():
    """Its output ends at `inf`, which flatc writes bare."""
    text = '{"output_min": -inf, "output_max": inf, "list": [nan, 0.5], "name": "inf, nan,"}'
    read = parse_graph(text)
    assert read["output_min"] == -float("inf") and read["output_max"] == float("inf")
    assert read["list"][0] != read["list"][0]
    assert read["name"] == "inf, nan,"
