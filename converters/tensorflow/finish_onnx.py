"""From a raw ONNX file of either exporter to one that is the same wherever it was made."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from edgekit.converters.tensorflow.specs import TensorInfo, fixed_axes
from edgekit.converters.tensorflow.traps import check_onnx_nodes, frozen_batch
from onnx import helper, numpy_helper

from edgekit.errors import UnsupportedError, first_line

OPSET = 18
#: onnxruntime reads IR 10 from 1.18 on
IR_VERSION = 10


def finish(
    model: onnx.ModelProto,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    path: Path,
) -> None:
    """Repair, rename, check and write.

    Args:
      model: inputs and outputs in the order of the signature's, under any names.
      inputs, outputs: the signature's.
      path: where the file goes.
    Raises:
      UnsupportedError: a node that no runtime knows, or a frozen batch.
    """
    repair_erfc(model.graph)
    _check(model, inputs, outputs)
    _in_order(model.graph)
    _rename(model.graph, [t.name for t in inputs], [t.name for t in outputs])
    for values, tensors in ((model.graph.input, inputs), (model.graph.output, outputs)):
        for value, tensor in zip(values, tensors, strict=True):
            sizes = value.type.tensor_type.shape
            sizes.Clear()
            for size in ("batch", *fixed_axes(tensor)):
                sizes.dim.add(
                    **({"dim_param": size} if isinstance(size, str) else {"dim_value": size})
                )
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "edgekit", "", ""
    for field in ("metadata_props", "opset_import"):
        model.ClearField(field)
    model.opset_import.append(helper.make_opsetid("", OPSET))
    if any(node.domain == "com.microsoft" for node in _nodes(model.graph)):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    path.write_bytes(model.SerializeToString(deterministic=True))
    _check_batches(path, inputs)


def repair_erfc(graph: onnx.GraphProto) -> None:
    """Erfc(x) is 1 - Erf(x): tf2onnx writes the first, which ONNX does not have."""
    for inner in _graphs(graph):
        nodes = list(inner.node)
        if not any(node.op_type == "Erfc" for node in nodes):
            continue
        one = numpy_helper.from_array(np.float32(1), "one_of_erfc")
        inner.initializer.append(one)
        repaired = []
        for number, node in enumerate(nodes):
            if node.op_type != "Erfc":
                repaired.append(node)
                continue
            erf = f"erf_of_erfc_{number}"
            repaired.append(helper.make_node("Erf", [node.input[0]], [erf]))
            repaired.append(helper.make_node("Sub", [one.name, erf], [node.output[0]]))
        del inner.node[:]
        inner.node.extend(repaired)


def _check(
    model: onnx.ModelProto, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> None:
    opset = next(o.version for o in model.opset_import if not o.domain)
    if opset != OPSET:
        raise UnsupportedError(f"the exporter wrote opset {opset} in place of {OPSET}.", "")
    check_onnx_nodes(((n.domain, n.op_type) for n in _nodes(model.graph)), opset)
    for values, tensors in ((model.graph.input, inputs), (model.graph.output, outputs)):
        if len(values) != len(tensors):
            raise UnsupportedError(
                f"the exporter kept {len(values)} of {len(tensors)} inputs or outputs: one is not "
                "used.",
                "export a signature of what is used.",
            )
        for value, tensor in zip(values, tensors, strict=True):
            dims = value.type.tensor_type.shape.dim
            if dims and dims[0].HasField("dim_value") and dims[0].dim_value > 0:
                raise frozen_batch(f"'{tensor.name}': {dims[0].dim_value}")


def _check_batches(path: Path, inputs: Sequence[TensorInfo]) -> None:
    """Run two batch sizes: a Reshape may hold a number though every written shape is open."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes share no base of use
        raise UnsupportedError(
            f"onnxruntime refuses the converted file: {first_line(error)}.",
            "export with --target tflite alone.",
        ) from error
    for batch in (1, 3):
        feeds = {t.name: np.zeros((batch, *fixed_axes(t)), t.dtype) for t in inputs}
        try:
            results = session.run(None, feeds)
        except Exception as error:
            raise frozen_batch(f"batch {batch} fails: {first_line(error)}") from error
        if any(len(result) != batch for result in results):
            raise frozen_batch(f"batch {batch} gives {[len(r) for r in results]} rows")


def _in_order(graph: onnx.GraphProto) -> None:
    """Nodes and constants as the outputs need them: tf2onnx's own order changes from call to call.

    What no output needs is dropped.
    """
    makers = {name: node for node in graph.node for name in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    reads: list[str] = []
    opened: set[str] = set()
    done: set[str] = set()
    left = [value.name for value in reversed(graph.output)]
    while left:
        name = left[-1]
        node = makers.get(name)
        if node is None or name in done:
            left.pop()
            if name in constants and name not in done:
                reads.append(name)
                done.add(name)
        elif name in opened:
            left.pop()
            nodes.append(node)
            done.update(node.output)
        else:
            opened.update(node.output)
            left.extend(reversed(_read_by(node)))
    nodes = [copy.deepcopy(node) for node in nodes]
    kept = [copy.deepcopy(constants[name]) for name in reads]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def _read_by(node: onnx.NodeProto) -> list[str]:
    """Every value that a node reads, in its branches too."""
    read = list(node.input)
    for inner in _inner_graphs(node):
        read += [name for n in _nodes(inner) for name in n.input]
        read += [value.name for graph in _graphs(inner) for value in graph.output]
    return read


def _rename(graph: onnx.GraphProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Contract's names outside, numbers inside: inner names count what the process did before."""
    names = {"": ""}
    names |= {v.name: new for v, new in zip(graph.input, inputs, strict=True)}
    names |= {v.name: new for v, new in zip(graph.output, outputs, strict=True)}
    for inner in _graphs(graph):
        for constant in inner.initializer:
            names.setdefault(constant.name, f"c{len(names)}")
        for value in inner.input:
            names.setdefault(value.name, f"v{len(names)}")
        for node in inner.node:
            for name in node.output:
                names.setdefault(name, f"v{len(names)}")
    count = 0
    for inner in _graphs(graph):
        inner.name, inner.doc_string = "main" if inner is graph else "inner", ""
        inner.ClearField("value_info")
        inner.ClearField("metadata_props")
        for value in (*inner.input, *inner.output, *inner.initializer):
            value.name, value.doc_string = names[value.name], ""
            value.ClearField("metadata_props")
        for node in inner.node:
            node.name, node.doc_string = f"n{count}", ""
            node.ClearField("metadata_props")
            node.input[:] = [names[name] for name in node.input]
            node.output[:] = [names[name] for name in node.output]
            count += 1


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all branches and loop bodies in it."""
    yield graph
    for node in graph.node:
        for inner in _inner_graphs(node):
            yield from _graphs(inner)


def _inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _nodes(graph: onnx.GraphProto) -> Iterator[Any]:
    for inner in _graphs(graph):
        yield from inner.node
