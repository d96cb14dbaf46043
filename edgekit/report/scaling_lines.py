"""What is said of a scaling run in sentences: answers first, then fits and their errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgekit.report.rows import megabytes
from edgekit.report.scaling_rows import SIMULATED_NOTE
from edgekit.scaling.answer import Answer, Choice, FourBits
from edgekit.scaling.curves import Offsets
from edgekit.scaling.laws import DamageLine
from edgekit.scaling.power import LawFit
from edgekit.scaling.result import Scaling

#: rivals that are named; the others are counted
_NAMED = 4


def lines(scaling: Scaling) -> list[str]:
    """Everything below the table."""
    said = answers(scaling)
    said += [_offsets(name, found) for name, found in scaling.offsets.items() if found]
    said += [told for line in scaling.damage if (told := _damage(line))]
    said += [_law(fit) for fit in scaling.laws]
    said += _held(scaling)
    for p in scaling.points:
        said += [f"{p.model} {p.recipe}: audit: {problem}" for problem in p.problems]
    said += [f"refused: {r.reason} {r.hint}" for r in scaling.refused]
    said += list(scaling.facts.get("notes", ()))
    said += [SIMULATED_NOTE] if any(p.simulated for p in scaling.points) else []
    return said


def answers(scaling: Scaling) -> list[str]:
    """For each budget, then of 4 bits."""
    said = [_answer(answer) for answer in scaling.answers]
    if scaling.four_bits is not None:
        said.append(_four(scaling.four_bits))
    return said


def _answer(answer: Answer) -> str:
    head = f"{megabytes(answer.budget)} ({8 * answer.budget / 1e6:.1f} Mbit):"
    best = _file(answer.best)
    if answer.decided:
        return f"{head} {best}, {answer.best.value:.4f}; no other file that fits comes near it."
    named = "; ".join(
        f"{_file(c)}, {c.behind:+.4f} ({c.behind_low:+.4f} to {c.behind_high:+.4f})"
        for c in answer.rivals[:_NAMED]
    )
    more = len(answer.rivals) - _NAMED
    rest = f"; and {more} more" if more > 0 else ""
    return f"{head} undecided: best is {best}, {answer.best.value:.4f}, but {named}{rest}."


def _file(choice: Choice) -> str:
    return f"{choice.model} {choice.recipe} ({megabytes(choice.size_bytes)})"


def _four(found: FourBits) -> str:
    shares = iter(found.sure)
    on = [f"{name} ({next(shares):.0%} of resamples)" for name in found.on_front]
    off = [f"{name} ({next(shares):.0%})" for name in found.off_front]
    said = f"4 bits on the Pareto front of bytes: {', '.join(on) or 'no file'}"
    said += f"; off it: {', '.join(off)}" if off else ""
    if found.best:
        best = sorted(found.best.items(), key=lambda item: -item[1])
        along = ", ".join(f"{name} {share:.0%}" for name, share in best)
        said += (
            f". Curves by total model bits, lowest at: {along} of the sizes that are compared; "
            f"undecided against 4 bits at {found.undecided:.0%}"
        )
    return f"{said}."


def _offsets(name: str, found: Offsets) -> str:
    told = ", ".join(f"{series} {value:+.3f}" for series, value in found.offsets.items())
    error = f"mean error of log y {found.mean_error:.4f}" if found.spare else "no spare point"
    return f"parallel offsets, {name}: {told} ({error})."


def _damage(line: DamageLine) -> str:
    kind = f"{line.form}, simulated" if line.simulated else line.form
    left = f"; damage not surely above 0 at {_bits(line.left_out)}" if line.left_out else ""
    if math.isnan(line.factor):
        return ""
    error = "" if math.isnan(line.mean_error) else f", mean error of log {line.mean_error:.3f}"
    return (
        f"damage of {line.model} ({kind}), {_bits(line.bits)}: {line.factor:.2f} times less per "
        f"bit{error}{left}."
    )


def _bits(bits: Sequence[int]) -> str:
    return f"{', '.join(map(str, bits))} bits"


def _law(fit: LawFit) -> str:
    head = f"power law y = {fit.name} ({fit.points}, {fit.count} points)"
    if fit.law is None:
        return f"{head}: not fitted: {fit.why}."
    letters = dict(zip(fit.law.variables, "bc", strict=False))
    told = []
    for variable, letter in letters.items():
        error = fit.law.errors[variable]
        value = f"{letter} = {fit.law.exponents[variable]:+.3f}"
        told.append(value if math.isnan(error) else f"{value} +- {error:.3f}")
    spare = (
        f"mean error of log y {fit.law.mean_error:.4f}"
        if fit.law.spare
        else "as many unknowns as points: no error can be told"
    )
    return f"{head}: {', '.join(told)}; {spare}."


def _held(scaling: Scaling) -> list[str]:
    said = []
    for held in scaling.held_out:
        said.append(
            f"leave one model out ({', '.join(held.models)}; {held.points}, {held.count} points): "
            f"{held.form}: mean error of log y {held.mean_error:.4f}, worst {held.worst:.4f}."
        )
    if not said:
        said.append("leave one model out: 3 models of growing size are needed; no error is told.")
    return said
