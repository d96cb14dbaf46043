"""Fusions of graphs with a cache: one token at a time, every node costs as much as a small product.

onnxruntime spends about 2 us per node on one thread, and a 100 M model has hundreds of them per
token.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import onnx_ir as ir
from edgekit.converters.to_onnx.builder import Builder
from edgekit.converters.to_onnx.fuse import CONTRIB, remove_unused
from onnx_ir.convenience import replace_all_uses_with


def fuse_cached(graph: ir.Graph) -> None:
    """Before weights are bound: nodes that do nothing, and sums in front of norms."""
    drop_reshapes(graph)
    fuse_skip_norms(graph)
    remove_unused(graph)


def drop_reshapes(graph: ir.Graph) -> None:
    """[batch, length, width] split into heads and joined again: attention takes the joined form."""
    for node in [n for n in graph if n.op_type == "Reshape"]:
        root = node.inputs[0]
        while root is not None and (maker := root.producer()) is not None:
            if maker.op_type != "Reshape":
                break
            root = maker.inputs[0]
        out = node.outputs[0]
        if root is not None and not out.is_graph_output() and _same(root, out):
            replace_all_uses_with(out, root)


def fuse_skip_norms(graph: ir.Graph) -> None:
    """``RMSNormalization(a + b)`` becomes SkipSimplifiedLayerNormalization.

    It gives the sum as well, which the residual stream needs.
    """
    for norm in [n for n in graph if n.op_type == "RMSNormalization"]:
        total = norm.inputs[0]
        add = total.producer() if total is not None else None
        if total is None or add is None or add.op_type != "Add" or total.is_graph_output():
            continue
        if not all(v is not None and _same(v, total) for v in add.inputs):
            continue
        epsilon = norm.attributes.get("epsilon")
        fused = ir.node(
            "SkipSimplifiedLayerNormalization",
            [*add.inputs, norm.inputs[1]],
            {"epsilon": epsilon.as_float() if epsilon is not None else 1e-5},
            domain=CONTRIB,
            num_outputs=4,
        )
        for output, like in ((fused.outputs[0], norm.outputs[0]), (fused.outputs[3], total)):
            output.shape, output.type = like.shape, like.type
        fused.outputs[1].name = fused.outputs[2].name = ""
        graph.insert_before(add, fused)
        fused.outputs[0].name, fused.outputs[3].name = norm.outputs[0].name, total.name
        norm.outputs[0].name, total.name = f"{norm.outputs[0].name}_old", f"{total.name}_old"
        replace_all_uses_with(norm.outputs[0], fused.outputs[0])
        replace_all_uses_with(total, fused.outputs[3])
        graph.remove([norm, add], safe=True)


def join_products(graph: ir.Graph) -> None:
    """Products of one input become one, split behind: the query's, key's and value's for example.

    The file keeps every weight as it is; onnxruntime joins them once, when it loads the file.
    """
    groups: dict[tuple[object, ...], list[ir.Node]] = defaultdict(list)
    for node in graph:
        if key := _joinable(node):
            groups[key].append(node)
    build = Builder(graph, "j")
    for nodes in groups.values():
        if len(nodes) > 1:
            _join(build, nodes)
    graph.sort()
    remove_unused(graph)


def _joinable(node: ir.Node) -> tuple[object, ...] | None:
    """What products must share to be joined, or None."""
    if len(node.inputs) < 2 or node.outputs[0].is_graph_output():
        return None
    x, weight = node.inputs[:2]
    if x is None or weight is None:
        return None
    if node.op_type == "MatMul" and _width(weight) is not None:
        return "MatMul", id(x)
    if node.op_type == "MatMulIntegerToFloat" and _width(node.inputs[5]) is not None:
        rest = tuple(id(node.inputs[i]) for i in (2, 4))
        scale = _only_mul(node)
        return None if scale is None else ("int8", id(x), *rest, id(scale))
    return None


def _join(build: Builder, nodes: list[ir.Node]) -> None:
    first = nodes[0]
    if first.op_type == "MatMul":
        widths = [_width(n.inputs[1]) for n in nodes]
        weight = build.op(first, "Concat", [n.inputs[1] for n in nodes], axis=1)
        out = build.op(first, "MatMul", [first.inputs[0], weight])
        replaced = nodes
    else:
        widths = [_width(n.inputs[5]) for n in nodes]
        codes = build.op(first, "Concat", [n.inputs[1] for n in nodes], axis=1)
        scales = build.op(first, "Concat", [n.inputs[3] for n in nodes], axis=0)
        total = sum(w for w in widths if w)
        zeros = build.constant(f"zeros{total}", np.zeros(total, np.int8))
        inputs = [first.inputs[0], codes, first.inputs[2], scales, first.inputs[4], zeros]
        product = build.op(first, "MatMulIntegerToFloat", inputs, CONTRIB)
        replaced = [next(iter(n.outputs[0].uses())).node for n in nodes]
        out = build.op(first, "Mul", [product, _only_mul(first)])
    sizes = build.constant("split" + "_".join(map(str, widths)), np.array(widths, np.int64))
    split = ir.node("Split", [out, sizes], {"axis": -1}, num_outputs=len(nodes), name="split")
    build.graph.insert_before(first, split)
    for node, part in zip(replaced, split.outputs, strict=True):
        old = node.outputs[0]
        part.name, old.name = old.name, f"{old.name}_old"
        part.shape, part.type = old.shape, old.type
        replace_all_uses_with(old, part)


def _only_mul(product: ir.Node) -> ir.Value | None:
    """The row scale that a product's result is multiplied by at once."""
    uses = list(product.outputs[0].uses())
    if len(uses) != 1 or uses[0].node.op_type != "Mul":
        return None
    return uses[0].node.inputs[1 - uses[0].idx]


def _width(value: ir.Value | None) -> int | None:
    """Size of a constant's last axis."""
    if value is None or value.const_value is None:
        return None
    return int(value.const_value.shape.numpy()[-1])


def _same(a: ir.Value, b: ir.Value) -> bool:
    """Whether both are known to be [batch, length, the same width]."""
    if a.shape is None or b.shape is None or len(a.shape) != 3 or len(b.shape) != 3:
        return False
    return isinstance(a.shape[2], int) and a.shape[2] == b.shape[2]
