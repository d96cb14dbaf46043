"""litert-torch with one signature per bucket, then our own clean-up, then bindings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.converters.bindings import Binding, bind, derived_constants, distinct_parameters
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.modules import attention
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.checkpoint import Checkpoint, Floats
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer
from edgekit.converters.to_tflite.graph import clean, float_constants, fuse_biases, role_of
from edgekit.converters.to_tflite.tables import cut_tables_to_lookups

from edgekit.audit.tflite_file import pack_model, parse
from edgekit.errors import UnsupportedError, first_line

#: argument of the traced module that holds the parameters kept apart
FREE = "free"


def export_graph(checkpoint: Checkpoint, path: Path) -> FloatGraph:
    """Export a checkpoint in float32 with a signature for each of the contract's buckets, or one.

    Args:
      checkpoint: with a torch module.
      path: where the float graph is written.
    Raises:
      UnsupportedError: the exporter fails on this architecture.
    """
    buffers, values = _build(checkpoint)
    bound, unknown = bind(float_constants(buffers), values)
    derived: tuple[str | int, ...] = ()
    if unknown:
        again, _ = _build(checkpoint, other_weights=True)
        derived = derived_constants(unknown, float_constants(again))
    bound = cut_tables_to_lookups(buffers, bound, values)
    bindings = tuple(
        Binding(buffer, name, transform, role_of(buffers, int(buffer)))
        for buffer, (name, transform) in sorted(bound.items(), key=lambda item: int(item[0]))
    )
    path.write_bytes(pack_model(buffers.model))
    used = {binding.parameter for binding in bindings}
    return FloatGraph(path, bindings, tuple(sorted(set(values) - used)), derived)


def _build(
    checkpoint: Checkpoint, other_weights: bool = False
) -> tuple[Flatbuffer, dict[str, Floats]]:
    """The float graph, cleaned up, and the values that its parameters have in it."""
    kept_apart = vector_parameters(checkpoint.model)
    with (
        distinct_parameters(checkpoint.model, other_weights) as values,
        checkpoint.for_export(attention.TFLITE),
    ):
        buffers = Flatbuffer(_trace(checkpoint, kept_apart))
    inputs_to_constants(buffers, kept_apart, values)
    fuse_biases(buffers)
    clean(buffers, checkpoint.contract.output_names)
    return buffers, values


def _trace(checkpoint: Checkpoint, kept_apart: Sequence[str]) -> Any:
    """The converted model, parsed; parameters ``kept_apart`` are inputs of it."""
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    with quiet_libraries():
        import litert_torch
        import torch
        from edgekit.converters.modules.free_parameters import FreeParameters
        from edgekit.converters.modules.samples import tflite_samples

        module = FreeParameters(checkpoint.module, checkpoint.model, kept_apart).eval()
        converter = litert_torch
        for name, sample in tflite_samples(checkpoint.contract).items():
            converter = converter.signature(
                name, module, sample_kwargs={"inputs": sample, FREE: module.free_values()}
            )
        try:
            with torch.no_grad():
                edge_model = converter.convert()
        except Exception as error:  # the converter raises whatever tracing and lowering meet
            raise UnsupportedError(
                f"{checkpoint.contract.architecture} cannot be exported to TFLite: "
                f"{first_line(error)}.",
                "export with --target onnx alone.",
            ) from error
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            raw = Path(scratch) / "raw.tflite"
            edge_model.export(str(raw))
            return parse(raw)


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
    buffers: Flatbuffer, names: Sequence[str], values: Mapping[str, Any]
) -> None:
    """Turn the inputs that stand for parameters into shared constants."""
    numbers: dict[str, int] = {}
    for signature in buffers.model.signatureDefs:
        graph = buffers.model.subgraphs[signature.subgraphIndex]
        left = []
        for entry in signature.inputs:
            name = entry.name.decode()
            if name.startswith(f"{FREE}_"):
                parameter = names[int(name.rpartition("_")[2])]
                if any(True for _ in buffers.readers(graph, entry.tensorIndex)):
                    if parameter not in numbers:
                        numbers[parameter] = buffers.add_buffer(values[parameter].tobytes())
                    graph.tensors[entry.tensorIndex].buffer = numbers[parameter]
                graph.inputs = [i for i in graph.inputs if int(i) != entry.tensorIndex]
            else:
                entry.name = name.removeprefix("inputs_").encode()
                left.append(entry)
        signature.inputs = left
