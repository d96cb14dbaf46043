"""torch.onnx.export with attention kept whole, then our own fusions, then bindings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir
import torch
from edgekit.converters.bindings import Binding, bind, derived_constants, distinct_parameters
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.modules import attention
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.checkpoint import Checkpoint, Floats
from edgekit.converters.to_onnx.copies import join_copies
from edgekit.converters.to_onnx.fuse import fuse

from edgekit.audit.records import Role
from edgekit.errors import UnsupportedError, first_line

OPSET = 18
#: onnxruntime reads IR 10 from 1.18 on
IR_VERSION = 10


def export_graph(checkpoint: Checkpoint, path: Path) -> FloatGraph:
    """Export a checkpoint in float32 with dynamic batch and length.

    Args:
      checkpoint: with a torch module.
      path: where the float graph is written.
    Raises:
      UnsupportedError: the exporter fails on this architecture.
    """
    model, values = _build(checkpoint, path)
    graph = model.graph
    bound, unknown = bind(_float_constants(graph), values)
    derived: tuple[str | int, ...] = ()
    if unknown:
        again, _ = _build(checkpoint, path, other_weights=True)
        derived = derived_constants(unknown, _float_constants(again.graph))
    join_copies(graph, bound)
    bindings = tuple(
        Binding(name, parameter, transform, _role(graph.initializers[name]))
        for name, (parameter, transform) in sorted(bound.items())
    )
    ir.save(model, path)
    used = {binding.parameter for binding in bindings}
    return FloatGraph(path, bindings, tuple(sorted(set(values) - used)), derived)


def _build(
    checkpoint: Checkpoint, path: Path, other_weights: bool = False
) -> tuple[ir.Model, dict[str, Floats]]:
    """The float graph, and the values that its parameters have in it."""
    with (
        distinct_parameters(checkpoint.model, other_weights) as values,
        checkpoint.for_export(attention.ONNX),
    ):
        model = _trace(checkpoint)
        # the traced graph reads the module's tensors when it is saved, so that happens in here,
        # while they are the stand-ins
        ir.save(model, path)
    model = ir.load(path)
    fuse(model)
    _clean(model)
    return model, values


def _float_constants(graph: ir.Graph) -> Iterator[tuple[str | int, Floats]]:
    for name, value in graph.initializers.items():
        if value.const_value is not None and value.const_value.dtype == ir.DataType.FLOAT:
            yield name, value.const_value.numpy()


def _trace(checkpoint: Checkpoint) -> ir.Model:
    names = checkpoint.contract.input_names
    # all inputs differ: equal tensors would be merged into one input, without a warning
    sample = {name: torch.ones(2, 9, dtype=torch.long) * (i % 2) for i, name in enumerate(names, 1)}
    sample["input_ids"] = torch.arange(18).reshape(2, 9) % 7
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    try:
        with quiet_libraries(), torch.no_grad():
            program = torch.onnx.export(
                checkpoint.module,
                (),
                kwargs={name: sample[name] for name in names},
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes={name: {0: batch, 1: length} for name in names},
                input_names=list(names),
                output_names=list(checkpoint.contract.output_names),
                optimize=True,
                verbose=False,
                external_data=False,
            )
    except Exception as error:  # the exporter raises whatever tracing meets
        raise UnsupportedError(
            f"{checkpoint.contract.architecture} cannot be exported to ONNX: {first_line(error)}.",
            "please report the architecture.",
        ) from error
    if program is None:
        raise UnsupportedError("torch.onnx.export gave nothing.", "")
    return program.model


def _clean(model: ir.Model) -> None:
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
            if not output.is_graph_output():
                output.shape = None
                output.type = None
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
        value.metadata_props.clear()
        value.doc_string = None
    model.opset_imports.update({"": OPSET, "com.microsoft": 1})
    for domain in [d for d in model.opset_imports if d not in ("", "com.microsoft")]:
        del model.opset_imports[domain]


def _role(value: ir.Value) -> Role:
    """What the graph does with a constant."""
    constant = value.const_value
    if constant is None or sum(1 for n in constant.shape.numpy() if n != 1) < 2:
        return "vector"
    kinds = {(use.node.op_type, use.idx) for use in value.uses()}
    shape = constant.shape.numpy()
    if kinds == {("Conv", 1)} and shape[1] == 1:
        return "vector"  # depthwise: a few taps for each channel
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
