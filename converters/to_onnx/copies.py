"""One constant for each parameter: copies that an exporter made of tied weights are joined."""

from __future__ import annotations

from collections.abc import MutableMapping

import onnx_ir as ir
from onnx_ir.convenience import replace_all_uses_with

from edgekit.audit.records import Transform


def join_copies(graph: ir.Graph, bound: MutableMapping[str | int, tuple[str, Transform]]) -> None:
    """Let all that reads a parameter read one constant of it, through a Transpose where needed.

    onnxruntime folds the Transpose when a session loads the file, so nothing is paid for it at run
    time. Parts of a parameter (rows of a position table) and scaled ones stay apart.

    Args:
      graph: changed in place.
      bound: constant -> (parameter, transform); entries of constants that are gone are dropped.
    """
    kept: dict[str, tuple[ir.Value, Transform]] = {}
    turned: dict[str, ir.Value] = {}
    # kept is a constant in the parameter's own layout if there is one: rows are looked up there
    order = sorted(bound.items(), key=lambda b: (b[1][1].layout != "identity", str(b[0])))
    for name, (parameter, transform) in order:
        value = graph.initializers[str(name)]
        whole = transform.layout != "rows" and transform.factor == 1.0
        if not whole or value.const_value is None or len(value.const_value.shape) != 2:
            continue
        other, layout = kept.setdefault(parameter, (value, transform))
        if other is value or (layout == transform and _shape(other) != _shape(value)):
            continue
        if layout != transform:
            if parameter not in turned:
                turned[parameter] = _transpose(graph, other)
            other = turned[parameter]
        replace_all_uses_with(value, other)
        del graph.initializers[str(name)]
        del bound[name]


def _transpose(graph: ir.Graph, value: ir.Value) -> ir.Value:
    node = ir.node("Transpose", [value], {"perm": [1, 0]}, name=f"{value.name}.turned")
    node.outputs[0].name = f"{value.name}.turned"
    graph.insert_before(graph[0], node)
    return node.outputs[0]


def _shape(value: ir.Value) -> tuple[int, ...]:
    constant = value.const_value
    return () if constant is None else tuple(int(n) for n in constant.shape.numpy())
