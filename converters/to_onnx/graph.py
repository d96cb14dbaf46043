"""What any float graph needs, whoever exported it: constants, what it does with them, cleaning."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir
from edgekit.converters.sources.checkpoint import Floats

from edgekit.audit.records import Role

OPSET = 18
#: Attention and RotaryEmbedding over a cache
GENERATION_OPSET = 23
#: onnxruntime reads IR 10 from 1.18 on
IR_VERSION = 10


def float_constants(graph: ir.Graph) -> Iterator[tuple[str | int, Floats]]:
    """Name and value of each float32 constant."""
    for name, value in graph.initializers.items():
        if value.const_value is not None and value.const_value.dtype == ir.DataType.FLOAT:
            yield name, value.const_value.numpy()


def clean(model: ir.Model, opset: int = OPSET) -> None:
    """Drop what tells of the exporting machine, and what makes bytes depend on it."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "edgekit", None
    model.doc_string = None
    model.metadata_props.clear()
    graph = model.graph
    graph.name, graph.doc_string = "main", None
    graph.metadata_props.clear()
    for number, node in enumerate(graph):
        node.name, node.doc_string = f"n{number}", None
        node.metadata_props.clear()
        for output in node.outputs:
            output.metadata_props.clear()
            # onnxruntime infers shapes itself; written ones only add bytes
            if not output.is_graph_output() and not _needs_shape(output):
                output.shape = None
                output.type = None
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
        value.metadata_props.clear()
        value.doc_string = None
    model.opset_imports.update({"": opset, "com.microsoft": 1})
    for domain in [d for d in model.opset_imports if d not in ("", "com.microsoft")]:
        del model.opset_imports[domain]


def _needs_shape(value: ir.Value) -> bool:
    """Whether a reader cannot do without: Attention infers a width of 0 from a width unknown."""
    return any(use.node.op_type == "Attention" and use.idx < 3 for use in value.uses())


def role_of(value: ir.Value) -> Role:
    """What the graph does with a constant."""
    constant = value.const_value
    if constant is None or sum(1 for n in constant.shape.numpy() if n != 1) < 2:
        return "vector"
    kinds = {(use.node.op_type, use.idx) for use in value.uses()}
    shape = constant.shape.numpy()
    if kinds == {("Conv", 1)} and shape[1] == 1:
        return "vector"  # depthwise: a few taps for each channel
    if shape[0] == 1 and {kind for kind, _ in kinds} == {"Add"}:
        return "vector"  # a table of positions that every picture gets: one scale would serve all
    if len(shape) != 2:
        return "kernel"
    if kinds <= {("MatMul", 1), ("Gemm", 1)}:
        return "matrix"
    if kinds == {("Gather", 0), ("Transpose", 0)} and _turned_for_products(value):
        return "tied"
    return "table" if kinds <= {("Gather", 0)} else "kernel"


def _turned_for_products(value: ir.Value) -> bool:
    """Whether every Transpose of a constant is read by products alone."""
    turns = [use.node for use in value.uses() if use.node.op_type == "Transpose"]
    reads = {(use.node.op_type, use.idx) for turn in turns for use in turn.outputs[0].uses()}
    return reads == {("MatMul", 1)}
