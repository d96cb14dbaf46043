"""Einsum with a constant becomes MatMul: Keras writes its attention's projections as Einsum.

``abc,cde->abde`` multiplies rows by a matrix whose columns are counted in two axes. As a MatMul
with reshapes around it every recipe's kernels take the weights; as an Einsum none does.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def einsum_to_matmul(graph: ir.Graph) -> None:
    """Rewrite every Einsum whose second operand is constant and whose axes keep their order."""
    for number, node in enumerate([n for n in graph if n.op_type == "Einsum"]):
        axes = _axes(node)
        weight = node.inputs[1] if len(node.inputs) == 2 else None
        if axes is None or weight is None or weight.const_value is None or len(weight.uses()) > 1:
            continue
        kept, summed, free = axes
        array = weight.const_value.numpy()
        sizes = array.shape[len(summed) :]
        matrix = array.reshape(int(np.prod(array.shape[: len(summed)])), -1)
        weight.const_value = ir.tensor(np.ascontiguousarray(matrix), name=weight.name)
        weight.shape = ir.Shape(matrix.shape)
        _Rewrite(graph, node, f"einsum_{number}").run(len(kept), len(summed), len(free), sizes)


def _axes(node: ir.Node) -> tuple[str, str, str] | None:
    """Kept, summed and free axes, where they stand as in a product of rows and a matrix."""
    equation = node.attributes["equation"].as_string().replace(" ", "")
    left, arrow, out = equation.partition("->")
    rows, comma, weight = left.partition(",")
    if not arrow or not comma or "." in equation:
        return None
    summed = "".join(axis for axis in weight if axis in rows)
    kept = rows.removesuffix(summed)
    free = weight.removeprefix(summed)
    right = summed and rows == kept + summed and weight == summed + free and out == kept + free
    distinct = len(set(kept + summed + free)) == len(kept + summed + free)
    return (kept, summed, free) if right and kept and free and distinct else None


class _Rewrite:
    """The nodes that take one Einsum's place."""

    def __init__(self, graph: ir.Graph, node: ir.Node, name: str) -> None:
        self._graph, self._node, self._name = graph, node, name
        self._count = 0

    def run(self, kept: int, summed: int, free: int, sizes: tuple[int, ...]) -> None:
        rows, weight = self._node.inputs
        assert rows is not None
        assert weight is not None
        if summed > 1:
            rows = self._reshape(rows, [0] * kept + [-1])
        value = self._add("MatMul", [rows, weight])
        if free > 1:
            value = self._reshape(value, [0] * kept + [int(n) for n in sizes])
        old = self._node.outputs[0]
        is_output = old.is_graph_output()
        if is_output:
            value.name, old.name = old.name, f"{old.name}_old"
            value.shape, value.type = old.shape, old.type
        ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=is_output)
        self._graph.remove(self._node, safe=True)

    def _reshape(self, value: ir.Value, shape: list[int]) -> ir.Value:
        name = f"{self._name}_shape_{self._count}"
        sizes = ir.val(name, const_value=ir.tensor(np.array(shape, np.int64), name=name))
        self._graph.register_initializer(sizes)
        return self._add("Reshape", [value, sizes])

    def _add(self, op_type: str, inputs: list[ir.Value]) -> ir.Value:
        node = ir.node(op_type, inputs)
        node.outputs[0].name = f"{self._name}_{self._count}"
        self._count += 1
        self._graph.insert_before(self._node, node)
        return node.outputs[0]
