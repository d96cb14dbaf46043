"""litert-torch with one signature per bucket, then our own clean-up, then bindings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.bindings import Binding, bind, derived_constants, distinct_parameters
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.modules import attention
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.checkpoint import Checkpoint, Floats
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer
from edgekit.converters.to_tflite.tables import cut_tables_to_lookups

from edgekit.audit.records import Role
from edgekit.audit.tflite_file import pack_model, parse
from edgekit.errors import UnsupportedError, first_line
from edgekit.runtime.tflite_plain import signature_name

#: argument of the traced module that holds the parameters kept apart
FREE = "free"


def export_graph(checkpoint: Checkpoint, path: Path) -> FloatGraph:
    """Export a checkpoint in float32 with a signature for each of the contract's buckets.

    Args:
      checkpoint: with a torch module.
      path: where the float graph is written.
    Raises:
      UnsupportedError: the exporter fails on this architecture.
    """
    buffers, values = _build(checkpoint)
    bound, unknown = bind(_float_constants(buffers), values)
    derived: tuple[str | int, ...] = ()
    if unknown:
        again, _ = _build(checkpoint, other_weights=True)
        derived = derived_constants(unknown, _float_constants(again))
    bound = cut_tables_to_lookups(buffers, bound, values)
    bindings = tuple(
        Binding(buffer, name, transform, _role(buffers, int(buffer)))
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
    _clean(buffers, checkpoint.contract.output_names)
    return buffers, values


def _trace(checkpoint: Checkpoint, kept_apart: Sequence[str]) -> Any:
    """The converted model, parsed; parameters ``kept_apart`` are inputs of it."""
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    with quiet_libraries():
        import litert_torch
        import torch
        from edgekit.converters.modules.free_parameters import FreeParameters

        module = FreeParameters(checkpoint.module, checkpoint.model, kept_apart).eval()
        converter = litert_torch
        for bucket in checkpoint.contract.buckets:
            # all inputs differ, as in the ONNX export
            sample = {
                name: torch.full((1, bucket), i % 2, dtype=torch.int32)
                for i, name in enumerate(checkpoint.contract.input_names)
            }
            sample["input_ids"] = (torch.arange(bucket, dtype=torch.int32) % 7)[None]
            converter = converter.signature(
                signature_name("main", bucket),
                module,
                sample_kwargs={"inputs": sample, FREE: module.free_values()},
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
    while the model is converted cannot be folded.
    """
    return [name for name, parameter in model.named_parameters() if parameter.ndim == 1]


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


def fuse_biases(buffers: Flatbuffer) -> None:
    """An ADD of a vector behind a product without bias becomes the product's bias."""
    for graph in buffers.model.subgraphs:
        makers = {int(o.outputs[0]): o for o in graph.operators}
        outputs = {int(i) for i in graph.outputs}
        fused = set()
        for add in graph.operators:
            if buffers.op_name(add) != "ADD":
                continue
            for data, vector in (add.inputs, add.inputs[::-1]):
                product = makers.get(int(data))
                tensor = graph.tensors[int(vector)]
                if (
                    product is None
                    or buffers.op_name(product) != "FULLY_CONNECTED"
                    or _has_bias(product)
                    or product.builtinOptions.fusedActivationFunction
                    or int(data) in outputs
                    or not buffers.data(tensor.buffer)
                    or len(tensor.shape) != 1
                    or len(list(buffers.readers(graph, int(data)))) != 1
                ):
                    continue
                # the ADD may end in a RELU of its own
                activation = add.builtinOptions.fusedActivationFunction
                product.builtinOptions.fusedActivationFunction = activation
                product.inputs = np.array([*product.inputs[:2], vector], np.int32)
                product.outputs = add.outputs
                fused.add(id(add))
                break
        graph.operators = [o for o in graph.operators if id(o) not in fused]


def _has_bias(product: Any) -> bool:
    """A bias of zeros, which the converter writes where there is none, does not count."""
    return len(product.inputs) > 2 and int(product.inputs[2]) >= 0


def _clean(buffers: Flatbuffer, outputs: Sequence[str]) -> None:
    """Give outputs their names, drop inner ones (they hold whole Python module paths)."""
    model = buffers.model
    model.description = b"edgekit"
    for graph in model.subgraphs:
        graph.name = b""
        for tensor in graph.tensors:
            tensor.name = b""
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        for entry in signature.outputs:  # "output_0", "output_1", ... in any order
            number = int(entry.name.decode().rpartition("_")[2])
            entry.name = outputs[number].encode()
        # the runtime lists inputs by tensor name in places
        for entry in (*signature.inputs, *signature.outputs):
            graph.tensors[entry.tensorIndex].name = entry.name
    # what the converter says of itself is neither true of our file nor needed to run it
    model.metadata = []
    model.metadataBuffer = None


def _float_constants(buffers: Flatbuffer) -> Iterable[tuple[str | int, Any]]:
    done = set()
    for graph in buffers.model.subgraphs:
        for tensor in graph.tensors:
            data = buffers.data(tensor.buffer)
            is_float = tensor.type == buffers.schema.TensorType.FLOAT32
            if not is_float or tensor.buffer in done or not data:
                continue
            done.add(tensor.buffer)
            shape = [int(n) for n in tensor.shape]
            yield tensor.buffer, np.frombuffer(data, np.float32).reshape(shape)


def _role(buffers: Flatbuffer, buffer: int) -> Role:
    """What the graph does with a constant."""
    kinds = set()
    shape: list[int] = []
    for graph, index in buffers.tensors_of(buffer):
        shape = [int(n) for n in graph.tensors[index].shape]
        kinds |= {
            (buffers.op_name(operator), position)
            for operator, position in buffers.readers(graph, index)
        }
    if sum(1 for n in shape if n != 1) < 2:
        return "vector"
    if kinds == {("DEPTHWISE_CONV_2D", 1)}:
        return "vector"  # a few taps for each channel
    if kinds <= {("FULLY_CONNECTED", 1)} and len(shape) == 2:
        return "matrix"
    if kinds <= {("EMBEDDING_LOOKUP", 1)}:
        return "table"
    tied = kinds <= {("FULLY_CONNECTED", 1), ("EMBEDDING_LOOKUP", 1)} and len(shape) == 2
    return "tied" if tied else "kernel"
