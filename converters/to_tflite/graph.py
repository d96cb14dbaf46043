"""What any float graph needs, whoever exported it: constants, what it does with them, cleaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

from edgekit.audit.records import Role


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


def clean(buffers: Flatbuffer, outputs: Sequence[str] = ()) -> None:
    """Give outputs their names, drop inner ones (they hold whole Python module paths).

    Args:
      buffers: the model.
      outputs: names of litert-torch's numbered outputs; empty where they have their names already.
    """
    model = buffers.model
    model.description = b"edgekit"
    for graph in model.subgraphs:
        graph.name = b""
        for tensor in graph.tensors:
            tensor.name = b""
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        for entry in signature.outputs:  # "output_0", "output_1", ... in any order
            if outputs:
                number = int(entry.name.decode().rpartition("_")[2])
                entry.name = outputs[number].encode()
        # the runtime lists inputs by tensor name in places
        for entry in (*signature.inputs, *signature.outputs):
            graph.tensors[entry.tensorIndex].name = entry.name
    # what the converter says of itself is neither true of our file nor needed to run it
    model.metadata = []
    model.metadataBuffer = None


def float_constants(buffers: Flatbuffer) -> Iterable[tuple[str | int, Any]]:
    """Buffer and value of each float32 constant."""
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


def role_of(buffers: Flatbuffer, buffer: int) -> Role:
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
    if shape[0] == 1 and {kind for kind, _ in kinds} == {"ADD"}:
        return "vector"  # a table of positions that every picture gets: no kernel adds integers
    if kinds == {("DEPTHWISE_CONV_2D", 1)}:
        return "vector"  # a few taps for each channel
    if kinds <= {("FULLY_CONNECTED", 1)} and len(shape) == 2:
        return "matrix"
    if kinds <= {("EMBEDDING_LOOKUP", 1)}:
        return "table"
    tied = kinds <= {("FULLY_CONNECTED", 1), ("EMBEDDING_LOOKUP", 1)} and len(shape) == 2
    return "tied" if tied else "kernel"
