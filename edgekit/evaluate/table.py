"""The table of ``edgekit evaluate``."""

from __future__ import annotations

import math

from edgekit.evaluate.metrics import CORRELATIONS, LOSSES
from edgekit.evaluate.resample import Estimate
from edgekit.evaluate.run import Evaluation

HEADER: tuple[str, ...] = ("model", "metric", "value", "95 %")
#: value minus the source's, in points of percent or in units of a correlation
HEADER_PAIRED = (*HEADER, "against source", "95 %, paired")


def table(result: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows, one row for each model and metric."""
    paired = any(model.differences for model in result.models)
    rows: list[tuple[str, ...]] = []
    for model in result.models:
        for metric in result.metrics:
            value = model.values[metric]
            cells: tuple[str, ...] = (
                model.name,
                metric,
                _value(metric, value.value),
                _interval(metric, value),
            )
            if paired:
                cells += _difference(metric, model.differences[metric])
            rows.append(cells)
    return HEADER_PAIRED if paired else HEADER, rows


def lines(result: Evaluation) -> list[str]:
    """What is said below the table: rows, the positive label, what was cut, agreement."""
    said = [f"{result.data}: {result.rows:,} rows; intervals by resampling them"]
    if result.positive is not None:
        said.append(f"precision, recall and f1 are about the label '{result.positive}'")
    if result.cut:
        said.append(
            f"{result.cut:,} of {result.rows:,} rows are longer than {result.max_length} tokens "
            "and were cut"
        )
    if result.windows is not None:
        windows = result.windows
        said.append(
            f"{result.tokens:,} tokens scored; longer texts in windows of {windows.context} tokens "
            f"that move on by {windows.stride}"
        )
    same = [
        f"{model.name} {model.same:.2%}" for model in result.models[1:] if model.same is not None
    ]
    if same:
        said.append(f"same prediction as the source: {', '.join(same)}")
    agreed = [
        f"{model.name} {model.agreement:.1f}"
        for model in result.models[1:]
        if model.agreement is not None
    ]
    if agreed:
        said.append(f"tokens until the text leaves the source's, on average: {', '.join(agreed)}")
    undefined = [m for m in result.metrics if any(math.isnan(s.values[m].value)
                                                  for s in result.models)]  # fmt: skip
    if undefined:
        said.append(f"not defined on numbers that are all equal: {', '.join(undefined)}")
    return said


def _value(metric: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if metric in (*CORRELATIONS, *LOSSES) else f"{value:.2%}"


def _interval(metric: str, found: Estimate) -> str:
    if math.isnan(found.low):
        return "-"
    if metric in (*CORRELATIONS, *LOSSES):
        return f"{found.low:.3f} to {found.high:.3f}"
    return f"{found.low * 100:.1f}-{found.high * 100:.1f}"


def _difference(metric: str, found: Estimate) -> tuple[str, str]:
    if math.isnan(found.value):
        return "-", "-"
    if metric in (*CORRELATIONS, *LOSSES):
        return _signed(found.value, 4), f"{_signed(found.low, 4)} to {_signed(found.high, 4)}"
    value, low, high = (_signed(v * 100, 2) for v in (found.value, found.low, found.high))
    return f"{value} points", f"{low} to {high}"


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    # no sign before a zero
    return text[1:] if not text.strip("+-0.") else text
