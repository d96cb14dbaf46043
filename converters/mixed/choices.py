"""What each matrix and table may become on a target, and the bytes that it would take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from edgekit.converters.float_model import FloatModel
from edgekit.converters.quantize.plan import planned_grid
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.planes import group_shape, nibble_block
from edgekit.recipe import Grid
from edgekit.tflite_formats import container, table_width

GROUPS = (16, 32, 64)
BLOCKS = (32, 64, 128)
_ROWS = Grid(8, "channel")
_NARROW = range(2, 8)


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of one target's graph that are stored in codes.

    Attributes:
      roles: parameter -> "matrix", "table", "tied" or "kernel".
      shapes: of the same parameters.
      target: "onnx" or "tflite".
      int8: activations are int8.
    """

    roles: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    target: str
    int8: bool

    @staticmethod
    def of(checkpoint: Checkpoint, model: FloatModel, target: str, int8: bool) -> Weights:
        """Those of a float graph."""
        roles = {n: r for graph in model.values() for n, r in graph.roles().items()}
        roles = {n: r for n, r in sorted(roles.items()) if r != "vector"}
        shapes = {n: tuple(checkpoint.parameters[n].shape) for n in roles}
        return Weights(roles, shapes, target, int8)

    @property
    def most(self) -> int:
        """Rows of the largest table."""
        tables = (s[0] for n, s in self.shapes.items() if self.roles[n] in ("table", "tied"))
        return max(tables, default=0)

    def planned(self, name: str, grid: Grid) -> Grid:
        """The grid that kernels read of one that a recipe wants."""
        role, shape = self.roles[name], self.shapes[name]
        return planned_grid(grid, role, shape, self.target, self.int8, self.most)

    def choices(self, name: str) -> list[Grid]:
        """Grids that are stored exactly as they say, widest first; 8 bits per row among them.

        Kernels (convolutions and the like) have that one alone: their damage is not estimated.
        """
        role, cols = self.roles[name], prod(self.shapes[name][1:])
        wanted = []
        if self.target == "tflite" and role in ("matrix", "tied"):
            wanted = [Grid(4, "group", block) for block in BLOCKS] + [Grid(4, "channel")]
        elif role != "kernel":
            wanted = [Grid(k, "group", group) for k in _NARROW[::-1] for group in GROUPS]
            if role == "table" or cols <= GROUPS[0]:
                wanted += [Grid(k, "channel") for k in _NARROW[::-1]]
        found = [_ROWS]
        for grid in wanted:
            planned = self.planned(name, grid)
            same = (planned.bits, planned.grain, planned.group)
            if (grid.group or 0) < cols and same == (grid.bits, grid.grain, grid.group):
                found.append(grid)
        return found

    def size(self, name: str, grid: Grid) -> int:
        """Bytes of codes and scales, padding included, without what the graph needs around them.

        Seen in a written file the differences between grids are within a percent of it.
        """
        shape, role = self.shapes[name], self.roles[name]
        rows, cols = shape[0], prod(shape[1:])
        sized = _tflite_row if self.target == "tflite" else _onnx_row
        return int(rows * sized(grid, self.planned(name, grid), role, cols, self.int8))


def _onnx_row(grid: Grid, planned: Grid, role: str, cols: int, int8: bool) -> float:
    groups, span = group_shape(cols, planned.span(cols), grid.bits)
    scales = {"int8": groups + 2, "float16": 2}.get(planned.scales, 4)
    if grid.bits == 4 and role == "matrix" and not int8:
        block = nibble_block(cols, planned.span(cols))
        return -(-cols // block) * block / 2 + scales
    folded = 4 if int8 and role in ("matrix", "tied") and groups > 1 else 0
    return groups * span * grid.bits / 8 + scales + folded


def _tflite_row(grid: Grid, planned: Grid, role: str, cols: int, int8: bool) -> float:
    groups = -(-cols // planned.span(cols))
    blocks = planned.grain == "group"
    if role == "table" and (grid.bits < 8 or blocks):
        return table_width(cols, planned.span(cols)) * grid.bits / 8 + 2 * groups
    return cols * container(grid.bits, blocks) / 8 + (2 * groups if blocks else 12)
