"""A framework's ONNX file as a float graph of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx_ir as ir
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.foreign.constants import Adopted, Use, Variables, weights_of
from edgekit.converters.foreign.einsum import einsum_to_matmul
from edgekit.converters.to_onnx.fuse import fuse
from edgekit.converters.to_onnx.graph import clean, float_constants, role_of

from edgekit.audit.records import Transform

_TURNED = Transform("transpose")


def adopt_onnx(raw: Path, path: Path, variables: Variables, again: Callable[[], Path]) -> Adopted:
    """Fuse, clean and bind.

    Args:
      raw: the file that the framework's converter wrote.
      path: where the float graph goes.
      variables: of the source.
      again: gives a file of the same graph, converted with other values.
    """
    model = _read(raw)
    graph = model.graph
    bindings, parameters, derived, folded = weights_of(
        list(float_constants(graph)),
        variables,
        lambda name: _use(graph.initializers[str(name)]),
        lambda: list(float_constants(_read(again()).graph)),
        "onnx",
    )
    dropped = tuple(sorted(variables.names - parameters.keys()))
    ir.save(model, path)
    return Adopted(FloatGraph(path, bindings, dropped, derived), parameters, folded)


def _read(raw: Path) -> ir.Model:
    model = ir.load(raw)
    einsum_to_matmul(model.graph)
    fuse(model)
    clean(model)
    return model


def _use(value: ir.Value) -> Use:
    """What the graph does with a constant; what no kernel takes as codes stays float."""
    role = role_of(value)
    uses = [(use.node, use.idx) for use in value.uses()]
    if role == "matrix":
        flipped = {node.op_type == "MatMul" or not _transposed(node) for node, _ in uses}
        if len(flipped) > 1:
            return Use("vector")
        return Use("matrix", _TURNED if flipped.pop() else Transform())
    if role == "kernel" and any((node.op_type, i) != ("Conv", 1) for node, i in uses):
        return Use("vector")
    return Use(role)


def _transposed(node: ir.Node) -> bool:
    """Whether a Gemm reads its second matrix as [out, in]."""
    attribute = node.attributes.get("transB")
    return attribute is not None and bool(attribute.as_int())
