"""Fusions that onnxruntime does not find, or does worse, in what torch exports.

Each function makes one kind of change. What is *not* fused matters as much: onnxruntime 1.32's
SkipLayerNormalization is a scalar loop on CPU (63 us for 32 x 384 values, where Add, Add and
LayerNormalization take 18), so sums before a norm are written in the form that its own optimizer
leaves alone (docs/decisions/0003-onnx-int8.md).
"""

from __future__ import annotations

import math

import onnx_ir as ir
from onnx_ir.convenience import replace_all_uses_with

CONTRIB = "com.microsoft"


def fuse(model: ir.Model) -> None:
    """Apply all fusions, then drop what nothing reads."""
    graph = model.graph
    fuse_gelu(graph)
    drop_reshape_pairs(graph)
    order_residual_sums(graph)
    remove_unused(graph)


def fuse_gelu(graph: ir.Graph) -> None:
    """``0.5 * x * (1 + erf(x / sqrt(2)))`` becomes Gelu, or BiasGelu when x ends in a bias."""
    for erf in [node for node in graph if node.op_type == "Erf"]:
        x = _scaled_input(erf.inputs[0], 1 / math.sqrt(2))
        plus_one = _only_user(erf.outputs[0], "Add")
        if x is None or plus_one is None or not _has_constant(plus_one, 1.0):
            continue
        product = _gelu_product(plus_one.outputs[0], x)
        if product is None:
            continue
        out = product.outputs[0]
        bias_add = x.producer()
        bias = _bias_of(bias_add)
        inner = {erf.inputs[0].producer(), product, *(u.node for u in _mul_users(x))}
        if bias_add is not None and bias is not None and {u.node for u in x.uses()} <= inner:
            data = next(v for v in bias_add.inputs if v is not bias)
            node = ir.node("BiasGelu", [data, bias], domain=CONTRIB)
        else:
            node = ir.node("Gelu", [x], domain=CONTRIB)
        _replace(graph, product, out, node)


def _gelu_product(value: ir.Value, x: ir.Value) -> ir.Node | None:
    """The last Mul of ``value * 0.5 * x``, in whichever order the factors come."""
    seen_half = seen_x = False
    for _ in range(2):
        node = _only_user(value, "Mul")
        if node is None:
            return None
        other = node.inputs[1] if node.inputs[0] is value else node.inputs[0]
        if other is x:
            seen_x = True
        elif _constant(other) == 0.5:
            seen_half = True
        elif _scaled_input(other, 0.5) is x:
            seen_x = seen_half = True
        else:
            return None
        value = node.outputs[0]
        if seen_half and seen_x:
            return node
    return None


def drop_reshape_pairs(graph: ir.Graph) -> None:
    """[batch, length, width] split into heads and joined again at once: nothing happened.

    MultiHeadAttention takes and gives the joined form, so every split around it is undone.
    """
    for node in [n for n in graph if n.op_type == "MultiHeadAttention"]:
        for index in range(3):
            source = node.inputs[index]
            while source is not None and (maker := source.producer()) is not None:
                if maker.op_type != "Reshape":
                    break
                source = maker.inputs[0]
            if source is not None and _same_width(source, node.inputs[index]):
                node.replace_input_with(index, source)
        _join_output(node)


def _join_output(node: ir.Node) -> None:
    out = node.outputs[0]
    split = _only_user(out, "Reshape")
    if split is None:
        return
    joined = _only_user(split.outputs[0], "Reshape")
    if joined is not None and _same_width(out, joined.outputs[0]):
        replace_all_uses_with(joined.outputs[0], out)


def order_residual_sums(graph: ir.Graph) -> None:
    """``residual + (x + bias)`` before a norm becomes ``(x + bias) + residual``.

    The order decides whether onnxruntime finds the pattern of SkipLayerNormalization, see above:
    the three-input Sum is never taken for it.
    """
    for norm in [n for n in graph if n.op_type == "LayerNormalization"]:
        total = norm.inputs[0]
        add = total.producer() if total is not None else None
        if add is None or add.op_type != "Add" or total is None:
            continue
        parts = list(add.inputs)
        for i, part in enumerate(parts):
            inner = part.producer() if part is not None else None
            bias = _bias_of(inner)
            if inner is None or bias is None or part is None or len(part.uses()) != 1:
                continue
            data = next(v for v in inner.inputs if v is not bias)
            node = ir.node("Sum", [data, bias, parts[1 - i]])
            _replace(graph, add, total, node)
            break


def remove_unused(graph: ir.Graph) -> None:
    """Drop nodes and initializers that nothing reads."""
    for node in reversed(list(graph)):
        if not any(out.uses() or out.is_graph_output() for out in node.outputs):
            graph.remove(node, safe=True)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]


def _replace(graph: ir.Graph, old: ir.Node, out: ir.Value, new: ir.Node) -> None:
    """Put ``new`` where ``old`` stands and give it ``old``'s output."""
    graph.insert_before(old, new)
    fresh = new.outputs[0]
    fresh.shape, fresh.type = out.shape, out.type
    is_output = out.is_graph_output()
    name = out.name
    replace_all_uses_with(out, fresh, replace_graph_outputs=is_output)
    out.name, fresh.name = f"{name}_old", name
    graph.remove(old, safe=True)


def _only_user(value: ir.Value | None, op_type: str) -> ir.Node | None:
    if value is None or value.is_graph_output():
        return None
    uses = list(value.uses())
    if len(uses) != 1 or uses[0].node.op_type != op_type:
        return None
    return uses[0].node


def _mul_users(value: ir.Value) -> list[ir.Usage]:
    return [use for use in value.uses() if use.node.op_type in ("Mul", "Div")]


def _constant(value: ir.Value | None) -> float | None:
    """The number that a scalar constant holds."""
    if value is None or value.const_value is None or value.const_value.size != 1:
        return None
    return float(value.const_value.numpy().ravel()[0])


def _has_constant(node: ir.Node, number: float) -> bool:
    return any(_constant(value) == number for value in node.inputs)


def _scaled_input(value: ir.Value | None, factor: float) -> ir.Value | None:
    """x where ``value`` is ``x * factor`` or ``x / (1 / factor)``."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type not in ("Mul", "Div"):
        return None
    for i, other in enumerate(node.inputs):
        number = _constant(other)
        if number is None or (node.op_type == "Div" and i == 0):
            continue
        if node.op_type == "Div":
            number = 1 / number
        if math.isclose(number, factor, rel_tol=1e-5):
            return node.inputs[1 - i]
    return None


def _bias_of(node: ir.Node | None) -> ir.Value | None:
    """The one-dimensional constant that an Add adds to a matrix product."""
    if node is None or node.op_type != "Add":
        return None
    for i, value in enumerate(node.inputs):
        other = node.inputs[1 - i]
        maker = other.producer() if other is not None else None
        if value is None or value.const_value is None or maker is None:
            continue
        if value.const_value.numpy().ndim == 1 and maker.op_type == "MatMul":
            return value
    return None


def _same_width(a: ir.Value, b: ir.Value | None) -> bool:
    """Whether both are known to be [batch, length, the same width]."""
    if a.shape is None or b is None or b.shape is None or len(a.shape) != 3 or len(b.shape) != 3:
        return False
    return isinstance(a.shape[2], int) and a.shape[2] == b.shape[2]
