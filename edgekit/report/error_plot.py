"""A scatter plot of error by length, as an SVG that a page holds: points, axes, nothing to load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from edgekit.parity.case_results import CaseResult

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 14, 42
#: letters of a text that a point's tooltip shows
_SHOWN = 60


def error_plot(cases: Sequence[CaseResult], title: str) -> str:
    """One point per case: tokens to the right, relative error upwards, both from zero.

    Cases with another decision are crosses, so that they are told apart without colour; those
    without numbers are left out, the text beside the plot says how many.

    Args:
      cases: of one file.
      title: read out in place of the drawing.
    """
    shown = [case for case in cases if math.isfinite(case.error)]
    longest = _ceiling(max((case.tokens for case in shown), default=1))
    largest = _ceiling(max((case.error for case in shown), default=0.0) or 1e-9)

    def x(tokens: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * tokens / longest

    def y(error: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * error / largest

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        *(_across(y(v), f"{v:.3g}") for v in _ticks(largest)),
        *(_below(x(v), f"{v:.0f}") for v in _ticks(longest)),
        f'<text class="axis" x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 6}" '
        'text-anchor="middle">tokens</text>',
        f'<text class="axis" transform="translate(12 {(_TOP + _HEIGHT - _BOTTOM) / 2:.0f}) '
        'rotate(-90)" text-anchor="middle">error</text>',
        *(_point(case, x(case.tokens), y(case.error)) for case in shown),
        "</svg>",
    ]
    return "\n".join(parts)


def _point(case: CaseResult, x: float, y: float) -> str:
    text = case.text if len(case.text) <= _SHOWN else case.text[: _SHOWN - 1] + "…"
    told = f"<title>{escape(text) or '(empty)'}: {case.tokens} tokens, {case.error:.3g}</title>"
    if case.decided:
        cross = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
        return f'<path class="changed" d="{cross}">{told}</path>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5">{told}</circle>'


def _across(y: float, label: str) -> str:
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _below(x: float, label: str) -> str:
    return f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{label}</text>'


def _ticks(top: float) -> list[float]:
    return [top * i / 4 for i in range(5)]


def _ceiling(value: float) -> float:
    """The least round number that is not below and whose quarters are short."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        n * power for n in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10) if n * power >= value * (1 - 1e-12)
    )
