"""The order of a scaling run: what is known already, measure the rest, fit, write the result."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.converters.notes import made_by
from edgekit.converters.quantize.texts import CalibrationText, shared_texts, texts_sha256
from edgekit.converters.scaling.member import Member
from edgekit.converters.scaling.text import ScoredText
from edgekit.converters.sweep.store import Kind, PointStore, as_plain

from edgekit.errors import CasesError, UnsupportedError, UsageError
from edgekit.progress import Progress
from edgekit.report.scaling_files import PLOTS, files_of
from edgekit.scaling.options import ScalingOptions, Wanted
from edgekit.scaling.point import ScalingPoint
from edgekit.scaling.result import Scaling

SCALING = Kind("scaling", ScalingPoint.from_json)


@dataclass(frozen=True)
class Inputs:
    """What all models share.

    Attributes:
      models: folders or hub ids, two or more.
      texts: scored, and the name of their file.
      name: of that file.
      calibration: what quantization may look at.
      max_length: window, tokens; each model's own when None.
    """

    models: tuple[str, ...]
    texts: tuple[str, ...]
    name: str
    calibration: CalibrationText
    max_length: int | None = None


def run_scaling(inputs: Inputs, options: ScalingOptions, out: Path, progress: Progress) -> Scaling:
    """Measure every precision of every model that is not in the folder yet; write the result.

    Args:
      inputs, options: what.
      out: the folder of the result.
      progress: where each point is told.
    Raises:
      EdgekitError: a model, text or option cannot be used; the folder cannot.
    """
    wanted, refused = options.wanted()
    budgets = options.budget_bytes()
    seen = shared_texts(inputs.calibration.texts, inputs.texts)
    with PointStore(out, SCALING) as store:
        members: list[_Told] = []
        points: list[ScalingPoint] = []
        for number, model in enumerate(inputs.models):
            work = store.work / str(number)
            work.mkdir()
            progress.stage(f"open {Path(model).name}")
            member = Member(
                model, options.target, inputs.max_length, inputs.texts, inputs.calibration, work
            )
            members.append(_Told(member.facts, member.scored))
            _check_names(members)
            points += _measure(member, inputs, wanted, options.target, store, progress)
            del member  # one model in memory at a time
            shutil.rmtree(work, ignore_errors=True)
        unit, weights = _unit(members)
        facts = {
            "target": options.target,
            "models": [m.facts for m in members],
            "unit": unit,
            "texts": len(weights),
            "data": {"name": inputs.name, "sha256": texts_sha256(inputs.texts)},
            "calibration": inputs.calibration.to_json(),
            "training_tokens": _tokens(options.tokens, [m.facts["name"] for m in members]),
            "made_by": made_by(),
            "notes": [f"{len(seen)} scored texts are calibration texts too"] if seen else [],
        }
        scaling = Scaling(as_plain(facts), tuple(points), weights, tuple(budgets), tuple(refused))
        scaling.check_budgets()
        progress.stage("fit, write tables and plots")
        files, missing = files_of(scaling)
        for name in PLOTS:  # of an earlier run
            if name not in files:
                (out / name).unlink(missing_ok=True)
        for name, content in files.items():
            store.publish(name, content)
        if missing is not None:
            progress.tell(missing)
        progress.done()
        return scaling


@dataclass(frozen=True)
class _Told:
    """What is kept of a model that is closed."""

    facts: dict[str, Any]
    scored: ScoredText


def _measure(
    member: Member,
    inputs: Inputs,
    wanted: Sequence[Wanted],
    target: str,
    store: PointStore[ScalingPoint],
    progress: Progress,
) -> list[ScalingPoint]:
    shared = {
        "target": target,
        "texts": texts_sha256(inputs.texts),
        "calibration": inputs.calibration.to_json(),
        "made_by": made_by(),
        **member.facts,
    }
    points: list[ScalingPoint] = []
    for number, each in enumerate(wanted):
        content = as_plain({"precision": each.name, "simulated": each.simulated, **shared})
        point = store.read(content)
        if point is None:
            progress.stage(f"{member.name} {each.name} ({number + 1} of {len(wanted)})")
            try:
                point = member.measure(each)
            except UnsupportedError:
                if not points and number + 1 == len(wanted):
                    raise
                progress.tell(f"{member.name} {each.name}: refused")
                continue
            store.write(content, point)
        points.append(point)
    return points


def _check_names(members: Sequence[_Told]) -> None:
    """Two models of one name or definition are no family; other tokenizers need whole texts.

    Raises:
      UsageError: they are not to be compared.
    """
    new, first = members[-1].facts, members[0].facts
    for other in members[:-1]:
        if other.facts["name"] == new["name"]:
            raise UsageError(
                f"two models are named '{new['name']}'.", "give every model another folder name."
            )
    if new["tokenizer"] != first["tokenizer"] and any(m.scored.cut for m in members):
        raise UsageError(
            f"'{new['name']}' has another tokenizer than '{first['name']}', and texts are longer "
            "than a window: they would be scored on other parts of the text.",
            "give shorter texts (compared per UTF-8 byte then), or models of one tokenizer.",
        )
    if new["tokenizer"] == first["tokenizer"] and new["window"] != first["window"]:
        raise UsageError(
            f"'{new['name']}' has a window of {new['window']} tokens, '{first['name']}' one of "
            f"{first['window']}.",
            "give --max-length, so that all score the same tokens.",
        )


def _unit(members: Sequence[_Told]) -> tuple[str, tuple[int, ...]]:
    """What losses are divided by: tokens of one tokenizer, else bytes.

    Raises:
      CasesError: the tokenizers do not score the same texts.
    """
    if len({m.facts["tokenizer"] for m in members}) == 1:
        return "token", members[0].scored.tokens
    if len({m.scored.sizes for m in members}) > 1:
        raise CasesError(
            "some texts have no token to score under one of the tokenizers.", "leave them out."
        )
    return "byte", members[0].scored.sizes


def _tokens(given: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, given, strict=True)) if given else {}
