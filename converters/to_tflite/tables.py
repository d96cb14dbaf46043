"""Position tables: one shared table and a look-up in place of a float copy per bucket.

The converter folds ``table[0:n]`` into a constant [1, n, dim] for every bucket. Those copies stay
float32 and cannot be shared (a buffer must have its tensor's size), so each is replaced by an
EMBEDDING_LOOKUP with constant ids into one table that ends at the longest bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

from edgekit.audit.records import Transform

Bound = dict[str | int, tuple[str, Transform]]


def cut_tables_to_lookups(
    buffers: Flatbuffer, bound: Bound, values: Mapping[str, npt.NDArray[np.float32]]
) -> Bound:
    """Replace runs of rows by look-ups.

    Args:
      buffers: the model.
      bound: buffer -> (parameter, transform), as found.
      values: parameter -> values during export.
    Returns:
      the bindings with the shared tables in place of the runs.
    """
    runs: dict[str, list[tuple[int, Transform]]] = {}
    result: Bound = {}
    for buffer, (name, transform) in bound.items():
        is_table = values[name].ndim == 2
        if is_table and transform.layout == "identity" and _is_folded_table(buffers, int(buffer)):
            # a bucket as long as the table: the run is the whole
            transform = Transform("rows", 0, len(values[name]))
        if transform.layout == "rows" and transform.stop is not None:
            runs.setdefault(name, []).append((int(buffer), transform))
        else:
            result[buffer] = name, transform
    for name, found in sorted(runs.items()):
        start = min(t.start for _, t in found)
        stop = max(t.stop or 0 for _, t in found)
        table = buffers.add_buffer(np.ascontiguousarray(values[name][start:stop]).tobytes())
        result[table] = name, Transform("rows", start, stop)
        for buffer, transform in found:
            ids = np.arange(transform.start - start, (transform.stop or 0) - start, dtype=np.int32)
            for graph, index in list(buffers.tensors_of(buffer)):
                if len(ids) == 1:  # one row, looked up for every token
                    rows = int(np.prod([int(n) for n in graph.tensors[index].shape[:-1]]))
                    ids = np.repeat(ids, rows)
                _look_up(buffers, graph, index, table, stop - start, ids)
    buffers.drop_unused()
    return result


def _is_folded_table(buffers: Flatbuffer, buffer: int) -> bool:
    """Whether a constant is a table [1, n, dim] that is added, not looked up or multiplied."""
    return any(
        len(graph.tensors[index].shape) == 3 and int(graph.tensors[index].shape[1]) > 1
        for graph, index in buffers.tensors_of(buffer)
    )


def _look_up(
    buffers: Flatbuffer,
    graph: Any,
    index: int,
    table: int,
    rows: int,
    ids: npt.NDArray[np.int32],
) -> None:
    """Turn a constant tensor into the output of a look-up."""
    constant = graph.tensors[index]
    width = int(constant.shape[-1])
    first = next(o for o in graph.operators if any(int(i) == index for i in o.inputs))
    table_tensor = _existing(graph, table)
    if table_tensor is None:
        table_tensor = buffers.add_tensor(graph, [rows, width], "FLOAT32", table)
    ids_tensor = buffers.add_tensor(graph, [len(ids)], "INT32", buffers.add_buffer(ids.tobytes()))
    picked = buffers.add_tensor(graph, [len(ids), width], "FLOAT32")
    buffers.add_operator(graph, first, "EMBEDDING_LOOKUP", [ids_tensor, table_tensor], [picked])
    shape = [int(n) for n in constant.shape]
    constant.buffer = 0  # the copy goes, whether or not its tensor is still read
    if shape == [len(ids), width]:
        for operator, position in list(buffers.readers(graph, index)):
            operator.inputs[position] = picked
        return
    shape_buffer = buffers.add_buffer(np.array(shape, np.int32).tobytes())
    shape_tensor = buffers.add_tensor(graph, [len(shape)], "INT32", shape_buffer)
    buffers.add_operator(graph, first, "RESHAPE", [picked, shape_tensor], [index], "ReshapeOptions")


def _existing(graph: Any, buffer: int) -> int | None:
    return next((i for i, t in enumerate(graph.tensors) if t.buffer == buffer), None)
