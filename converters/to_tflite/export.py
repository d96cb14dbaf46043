"""litert-torch with one signature per bucket, then our own clean-up, then bindings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.converters.bindings import Binding, bind, derived_constants, distinct_parameters
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.modules import attention
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.checkpoint import Checkpoint, Floats
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer
from edgekit.converters.to_tflite.graph import clean, float_constants, fuse_biases, role_of
from edgekit.converters.to_tflite.pools import pad_with_zeros
from edgekit.converters.to_tflite.tables import cut_tables_to_lookups

from edgekit.audit.tflite_file import packed, parse
from edgekit.errors import UnsupportedError, first_line


@dataclass(frozen=True, slots=True)
class Trace:
    """How modules become signatures.

    Attributes:
      signatures: name -> module and its arguments by name.
      outputs: names of numbered outputs; empty where the modules name theirs.
      attention: the implementation that is in force meanwhile.
      constants: arguments that become constants of the file; as arguments they cannot be folded
        into larger ones.
    """

    signatures: Mapping[str, tuple[Any, dict[str, Any]]]
    outputs: Sequence[str]
    attention: str = attention.TFLITE
    constants: Mapping[str, Floats] = field(default_factory=dict)


def encoder_trace(checkpoint: Checkpoint) -> Trace:
    """A signature for each of the contract's buckets, or one."""
    from edgekit.converters.modules.samples import tflite_samples

    samples = tflite_samples(checkpoint.contract)
    return Trace(
        {name: (checkpoint.module, sample) for name, sample in samples.items()},
        checkpoint.contract.output_names,
    )


#: argument of the traced module that holds the parameters kept apart
FREE = "free"
#: bytes of float32 parameters from which on the converter holds them once instead of in every form
#: of the graph that it goes through
LARGE = 1 << 28


def export_graph(checkpoint: Checkpoint, path: Path, trace: Trace | None = None) -> FloatGraph:
    """Export a checkpoint in float32 with a signature for each of the contract's buckets, or one.

    Args:
      checkpoint: with a torch module.
      path: where the float graph is written.
      trace: how; as an encoder when None.
    Raises:
      UnsupportedError: the exporter fails on this architecture.
    """
    trace = trace or encoder_trace(checkpoint)
    buffers, values, given = _build(checkpoint, trace)
    bound, unknown = bind(float_constants(buffers), values)
    derived: tuple[str | int, ...] = given  # arguments hold no weights
    if unknown := {number: digest for number, digest in unknown.items() if number not in given}:
        again, _, _ = _build(checkpoint, trace, other_weights=True)
        derived += derived_constants(unknown, float_constants(again))
    bound = cut_tables_to_lookups(buffers, bound, values)
    bindings = tuple(
        Binding(buffer, name, transform, role_of(buffers, int(buffer)))
        for buffer, (name, transform) in sorted(bound.items(), key=lambda item: int(item[0]))
    )
    path.write_bytes(packed(buffers.model))
    used = {binding.parameter for binding in bindings}
    return FloatGraph(path, bindings, tuple(sorted(set(values) - used)), derived)


def _build(
    checkpoint: Checkpoint, trace: Trace, other_weights: bool = False
) -> tuple[Flatbuffer, dict[str, Floats], tuple[int, ...]]:
    """The float graph, cleaned up, its parameters' values in it, and the trace's constants."""
    kept_apart = vector_parameters(checkpoint.model)
    with (
        distinct_parameters(checkpoint.model, other_weights) as values,
        checkpoint.for_export(trace.attention),
    ):
        buffers = Flatbuffer(_converted(checkpoint, trace, kept_apart))
    given = inputs_to_constants(buffers, kept_apart, values, trace.constants)
    fuse_biases(buffers)
    pad_with_zeros(buffers)
    clean(buffers, trace.outputs)
    return buffers, values, given


def _converted(checkpoint: Checkpoint, trace: Trace, kept_apart: Sequence[str]) -> Any:
    """The converted model, parsed; parameters ``kept_apart`` are inputs of it."""
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    with quiet_libraries():
        import litert_torch
        import torch
        from edgekit.converters.modules.free_parameters import FreeParameters

        converter = litert_torch
        for name, (traced, sample) in trace.signatures.items():
            module = FreeParameters(traced, checkpoint.model, kept_apart).eval()
            converter = converter.signature(
                name, module, sample_kwargs={"inputs": sample, FREE: module.free_values()}
            )
        try:
            with torch.no_grad():
                edge_model = converter.convert(
                    lightweight_conversion=_float_bytes(checkpoint) >= LARGE,
                    # nothing is left to fold: norms and biases are inputs meanwhile
                    runtime_constant_folding=False,
                )
        except Exception as error:  # the converter raises whatever tracing and lowering meet
            raise UnsupportedError(
                f"{checkpoint.contract.architecture} cannot be exported to TFLite: "
                f"{first_line(error)}.",
                "export with --target onnx alone.",
            ) from error
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            raw = Path(scratch) / "raw.tflite"
            edge_model.export(str(raw))
            del converter, edge_model
            return parse(raw)


def _float_bytes(checkpoint: Checkpoint) -> int:
    return sum(value.nbytes for value in checkpoint.parameters.values())


def vector_parameters(model: Any) -> list[str]:
    """Names of all biases and of all weights and biases of norms.

    LiteRT's converter folds a norm's weight and bias into the matrices behind it, also where
    other operators read the norm too, and pushes a bias through the next matrix. What comes out
    is no parameter of the source any more, and quantizes worse. A constant that is an *input*
    while the model is converted cannot be folded. Biases of two-dimensional convolutions have no
    norm behind them any more (``fold_norms``), and stay in their operator.
    """
    from torch.nn import Conv2d

    kept = {f"{name}.bias" for name, part in model.named_modules() if isinstance(part, Conv2d)}
    return [n for n, p in model.named_parameters() if p.ndim == 1 and n not in kept]


def inputs_to_constants(
    buffers: Flatbuffer,
    names: Sequence[str],
    values: Mapping[str, Any],
    constants: Mapping[str, Any],
) -> tuple[int, ...]:
    """Turn the inputs that stand for parameters, and some others, into shared constants.

    Returns:
      buffers of the others.
    """
    numbers: dict[str, int] = {}
    known = {**values, **constants}
    for signature in buffers.model.signatureDefs:
        graph = buffers.model.subgraphs[signature.subgraphIndex]
        left = []
        for entry in signature.inputs:
            name = entry.name.decode()
            own = name.removeprefix("inputs_")
            if name.startswith(f"{FREE}_") or own in constants:
                parameter = own if own in constants else names[int(name.rpartition("_")[2])]
                if any(True for _ in buffers.readers(graph, entry.tensorIndex)):
                    if parameter not in numbers:
                        numbers[parameter] = buffers.add_buffer(known[parameter].tobytes())
                    graph.tensors[entry.tensorIndex].buffer = numbers[parameter]
                graph.inputs = [i for i in graph.inputs if int(i) != entry.tensorIndex]
            else:
                entry.name = own.encode()
                left.append(entry)
        signature.inputs = left
    return tuple(numbers[name] for name in constants if name in numbers)
