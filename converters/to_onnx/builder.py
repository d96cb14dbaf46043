"""Adding nodes and constants to a graph, with names that depend on nothing but their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from edgekit.converters.to_onnx.fuse import remove_unused
from onnx_ir.convenience import replace_all_uses_with


class Builder:
    """Edits one graph.

    Args:
      graph: to be edited.
      prefix: of the names of new values.
    """

    def __init__(self, graph: ir.Graph, prefix: str = "e") -> None:
        self.graph, self._prefix = graph, prefix
        self._count = 0

    def constant(self, name: str, array: npt.NDArray[Any]) -> ir.Value:
        """An initializer; the one of that name when it is there already."""
        if name in self.graph.initializers:
            return self.graph.initializers[name]
        value = ir.val(name, const_value=ir.tensor(np.ascontiguousarray(array), name=name))
        self.graph.register_initializer(value)
        return value

    def op(
        self,
        before: ir.Node,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        domain: str = "",
        **attributes: Any,
    ) -> ir.Value:
        """A node with one output, put in front of another node."""
        self._count += 1
        name = f"{self._prefix}{self._count}"
        node = ir.node(op_type, inputs, attributes, domain=domain, name=name)
        node.outputs[0].name = name
        self.graph.insert_before(before, node)
        return node.outputs[0]

    def before_users(
        self, value: ir.Value, op_type: str, inputs: Sequence[ir.Value], **attributes: Any
    ) -> ir.Value:
        """A node in front of all users of ``value``, whose place its output takes."""
        out = self.op(self.first_user(value), op_type, inputs, **attributes)
        replace_all_uses_with(value, out)
        return out

    def first_user(self, value: ir.Value) -> ir.Node:
        """The first node, in the graph's order, that reads a value."""
        users = {use.node for use in value.uses()}
        return next(node for node in self.graph if node in users)

    def take_place(self, node: ir.Node, value: ir.Value) -> None:
        """Give a node's place to a value, its name and shape too where it is a graph output."""
        old = node.outputs[0]
        is_output = old.is_graph_output()
        replace_all_uses_with(old, value, replace_graph_outputs=is_output)
        if is_output:
            name, value.shape, value.type = old.name, old.shape, old.type
            old.name = f"{name}_old"
            value.name = name
        self.graph.remove(node, safe=True)

    def finish(self) -> None:
        """Drop what is not read any more and number the nodes."""
        remove_unused(self.graph)
        for number, node in enumerate(self.graph):
            node.name = f"n{number}"
