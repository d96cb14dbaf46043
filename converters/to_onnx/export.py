"""torch.onnx.export with attention kept whole, then our own fusions, then bindings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from edgekit.converters.bindings import Binding, bind, derived_constants, distinct_parameters
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.modules import attention
from edgekit.converters.modules.samples import onnx_sample
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.checkpoint import Checkpoint, Floats
from edgekit.converters.to_onnx.copies import join_copies
from edgekit.converters.to_onnx.fuse import fuse
from edgekit.converters.to_onnx.fuse_cached import fuse_cached
from edgekit.converters.to_onnx.graph import (
    GENERATION_OPSET,
    OPSET,
    clean,
    float_constants,
    role_of,
)
from edgekit.converters.to_onnx.save import save_scratch

from edgekit.errors import UnsupportedError, first_line


@dataclass(frozen=True, slots=True)
class Trace:
    """How a module becomes a graph.

    Attributes:
      module: called with ``sample``.
      sample: arguments by name.
      dynamic: which of their axes vary, as ``torch.export`` takes it.
      inputs, outputs: their names in the graph.
      attention: the implementation that is in force meanwhile.
      opset: of the graph.
    """

    module: Any
    sample: dict[str, Any]
    dynamic: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attention: str = attention.ONNX
    opset: int = OPSET


def encoder_trace(checkpoint: Checkpoint) -> Trace:
    """A module that takes the contract's inputs and gives its outputs."""
    sample, dynamic = onnx_sample(checkpoint.contract)
    names = checkpoint.contract.output_names
    return Trace(checkpoint.module, sample, dynamic, tuple(sample), tuple(names))


def export_graph(checkpoint: Checkpoint, path: Path, trace: Trace | None = None) -> FloatGraph:
    """Export a checkpoint in float32 with dynamic batch and length.

    Args:
      checkpoint: with a torch module.
      path: where the float graph is written.
      trace: how; as an encoder when None.
    Raises:
      UnsupportedError: the exporter fails on this architecture.
    """
    trace = trace or encoder_trace(checkpoint)
    model, values = _build(checkpoint, path, trace)
    graph = model.graph
    bound, unknown = bind(float_constants(graph), values)
    derived: tuple[str | int, ...] = ()
    if unknown:
        # a file of its own: the first graph still reads its constants from the other
        other = path.with_name(f"other-{path.name}")
        again, _ = _build(checkpoint, other, trace, other_weights=True)
        derived = derived_constants(unknown, float_constants(again.graph))
    join_copies(graph, bound)
    bindings = tuple(
        Binding(name, parameter, transform, role_of(graph.initializers[name]))
        for name, (parameter, transform) in sorted(bound.items())
    )
    # constants stay in the scratch file beside it
    ir.save(model, path)
    used = {binding.parameter for binding in bindings}
    return FloatGraph(path, bindings, tuple(sorted(set(values) - used)), derived)


def _build(
    checkpoint: Checkpoint, path: Path, trace: Trace, other_weights: bool = False
) -> tuple[ir.Model, dict[str, Floats]]:
    """The float graph, and the values that its parameters have in it."""
    with (
        distinct_parameters(checkpoint.model, other_weights) as values,
        checkpoint.for_export(trace.attention),
    ):
        model = _traced(checkpoint.contract.architecture, trace)
        # the traced graph reads the module's tensors when it is saved, so that happens in here,
        # while they are the stand-ins
        save_scratch(model, path)
    model = ir.load(path)
    fuse(model)
    if trace.opset >= GENERATION_OPSET:
        fuse_cached(model.graph)
    clean(model, trace.opset)
    return model, values


def _traced(architecture: str, trace: Trace) -> ir.Model:
    try:
        with quiet_libraries(), torch.no_grad():
            program = torch.onnx.export(
                trace.module,
                (),
                kwargs=trace.sample,
                dynamo=True,
                opset_version=trace.opset,
                dynamic_shapes=trace.dynamic,
                input_names=list(trace.inputs),
                output_names=list(trace.outputs),
                optimize=True,
                verbose=False,
                external_data=False,
            )
    except Exception as error:  # the exporter raises whatever tracing meets
        raise UnsupportedError(
            f"{architecture} cannot be exported to ONNX: {first_line(error)}.",
            "please report the architecture.",
        ) from error
    if program is None:
        raise UnsupportedError("torch.onnx.export gave nothing.", "")
    return program.model
