"""edgekit compare: two exports, or two bench results, side by side, and what got worse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit import plain
from edgekit.bench.phases import told
from edgekit.errors import ArtifactError, UsageError, first_line
from edgekit.manifest import MANIFEST_NAME, Manifest


@dataclass(frozen=True, slots=True)
class Limits:
    """How much worse something may be.

    Attributes:
      size_growth: of a file's bytes, as a share (0.01: one percent).
      cosine_loss: of a mean cosine.
      agreement_loss: of the share of equal decisions.
      slowdown: of the median CPU time, as a share. Two runs on one machine differ by a few
        percent when nothing changed.
    """

    size_growth: float = 0.01
    cosine_loss: float = 0.001
    agreement_loss: float = 0.005
    slowdown: float = 0.10

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value >= 0:
                raise UsageError(f"a limit of {value:g} for {name} lets nothing pass.", "use >= 0.")


@dataclass(frozen=True, slots=True)
class Difference:
    """One value, before and after.

    Attributes:
      file: "<recipe> (<target>)", or the file's name in bench results.
      what: "size_bytes", "cosine_mean (alone)", "cpu ms at 32 tokens", ...
      old, new: the values; None where one side has none.
      regressed: it got worse by more than its limit.
    """

    file: str
    what: str
    old: float | None
    new: float | None
    regressed: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences, in the order of the old side's files."""

    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Nothing regressed."""
        return not any(d.regressed for d in self.differences)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"passed": self.passed, "differences": [asdict(d) for d in self.differences]}


def compare(
    old: str | os.PathLike[str], new: str | os.PathLike[str], limits: Limits | None = None
) -> Comparison:
    """Hold a newer export, or bench result, against an older one.

    Files are matched by target and recipe (in bench results by name). A file that is gone, or that
    passed its gates before and does not now, is a regression; one that is new is none.

    Args:
      old, new: both exported folders (or their edgekit.json), or both what `edgekit bench --json`
        printed.
      limits: the defaults of ``Limits`` when None.
    Raises:
      ArtifactError: a path holds neither, or is damaged.
      UsageError: one of each, or bench results of different machines.
    """
    limits = limits or Limits()
    before, after = _read(Path(old)), _read(Path(new))
    if isinstance(before, Manifest) and isinstance(after, Manifest):
        return Comparison(tuple(_manifests(before, after, limits)))
    if isinstance(before, list) and isinstance(after, list):
        _check_machines(before, after)
        return Comparison(tuple(_benches(before, after, limits)))
    raise UsageError(
        "an export and a bench result cannot be compared.",
        "give two folders, or two bench results.",
    )


def _read(path: Path) -> Manifest | list[dict[str, Any]]:
    if path.is_dir():
        return Manifest.read(path)
    if path.name == MANIFEST_NAME:
        return Manifest.read(path.parent)
    try:
        document = plain.mapping(json.loads(path.read_text(encoding="utf-8")), "document")
        found = [plain.mapping(r, "result") for r in plain.sequence(document["result"], "result")]
        for result in found:
            plain.text(result["path"], "path")
            plain.mapping(result["machine"], "machine")
            plain.flag(result.get("fits", True), "fits")
            for times in plain.mapping(result["lengths"], "lengths").values():
                _, _, key = _steadiest(plain.mapping(times, "lengths"))
                plain.number(times[key], key)
            _check_ratio(result.get("ratio"))
    except OSError as error:
        raise ArtifactError(f"'{path}' cannot be read ({error.strerror}).", "") from error
    except (ValueError, KeyError, RecursionError) as error:
        raise ArtifactError(
            f"'{path}' is neither an exported folder nor a bench result ({first_line(error)}).",
            "bench results are what `edgekit bench DIR --json` prints.",
        ) from error
    if not found:
        raise ArtifactError(f"'{path}' holds no result.", "run `edgekit bench DIR --json` again.")
    return found


def _check_ratio(ratio: Any) -> None:
    if ratio is None:
        return
    for key in ("vs", "vs_sha256"):
        plain.text(plain.mapping(ratio, "ratio")[key], key)
    for found in plain.mapping(ratio["lengths"], "lengths").values():
        for key in ("estimate", "low", "high"):
            plain.number(plain.mapping(found, "ratio")[key], key)


def _manifests(old: Manifest, new: Manifest, limits: Limits) -> Iterator[Difference]:
    after = {(f.target, f.recipe): f for f in new.files}
    before = {(f.target, f.recipe): f for f in old.files}
    for key, was in before.items():
        name = f"{was.recipe} ({was.target})"
        now = after.get(key)
        if now is None:
            yield Difference(name, "file", 1, None, True)
            continue
        grown = now.size_bytes > was.size_bytes * (1 + limits.size_growth)
        yield Difference(name, "size_bytes", was.size_bytes, now.size_bytes, grown)
        good, still = was.parity.get("passed", False), now.parity.get("passed", False)
        yield Difference(name, "gates passed", float(good), float(still), good and not still)
        yield from _parity(name, was.parity, now.parity, limits)
    for key, now in after.items():
        if key not in before:
            yield Difference(f"{now.recipe} ({now.target})", "file", None, 1, False)


def _parity(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], limits: Limits
) -> Iterator[Difference]:
    bounds = {"cosine_mean": limits.cosine_loss, "top1": limits.agreement_loss}
    for mode, was in old.get("metrics", {}).items():
        now = new.get("metrics", {}).get(mode)
        for metric, bound in bounds.items():
            if metric not in was:
                continue
            value = None if now is None else now.get(metric)
            # NaN is never within a bound
            worse = value is None or not value >= was[metric] - bound
            yield Difference(name, f"{metric} ({mode})", was[metric], value, worse)


#: in ``machine``: differs between the files of one folder, so it is held file against file
_PER_FILE = "runtime"


def _check_machines(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> None:
    results = (*old, *new)
    shared = [{k: v for k, v in r["machine"].items() if k != _PER_FILE} for r in results]
    pairs = [(shared[0], machine) for machine in shared]
    after = {result["path"]: result for result in new}
    for was in old:
        now = after.get(was["path"])
        # a file that did not fit never told its runtime
        if now is not None and was.get("fits", True) and now.get("fits", True):
            pairs.append((was["machine"], now["machine"]))
    for one, other in pairs:
        if one != other:
            keys = sorted(k for k in {*one, *other} if one.get(k) != other.get(k))
            raise UsageError(
                "the bench results are of different machines or settings"
                f" ({', '.join(keys)} differ).",
                "run both on one machine, with the same runtimes and options.",
            )


def _benches(
    old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], limits: Limits
) -> Iterator[Difference]:
    after = {result["path"]: result for result in new}
    before = {result["path"]: result for result in old}
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            yield Difference(name, "file", 1, None, True)
            continue
        fitted, fits = was.get("fits", True), now.get("fits", True)
        if not (fitted and fits):
            lost = fitted and not fits
            yield Difference(name, "fits in memory", float(fitted), float(fits), lost)
        if fitted and fits:
            yield from _times(name, was, now, limits)
    for name in after:
        if name not in before:
            yield Difference(name, "file", None, 1, False)


def _steadiest(times: Mapping[str, Any]) -> tuple[str, Any, str]:
    """Unit, value and key of what repeats best: a phone's programs tell no CPU time.

    Raises:
      KeyError: none of them.
    """
    units = {"cpu_p50": "cpu ms", "p50": "wall ms", "avg": "mean wall ms"}
    key = next((key for key in units if times.get(key) is not None), "cpu_p50")
    return units[key], times[key], key


def _times(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], limits: Limits
) -> Iterator[Difference]:
    """By ratios to the same third file where both have them: those do not move with the clock."""
    was, now = old.get("ratio") or {}, new.get("ratio") or {}
    same = bool(was) and was["vs_sha256"] == now.get("vs_sha256")
    for length, times in old["lengths"].items():
        unit, before, key = _steadiest(times)
        value = new["lengths"].get(length, {}).get(key)
        slow = value is None or not value <= before * (1 + limits.slowdown)
        what = f"{unit} at {told(length)}"
        if same and length in was["lengths"] and length in now["lengths"]:
            yield Difference(name, what, before, value, False)
            one, other = was["lengths"][length], now["lengths"][length]
            slow = not other["estimate"] <= one["estimate"] * (1 + limits.slowdown)
            # intervals that overlap prove nothing
            slow = slow and not other["low"] <= one["high"]
            what = f"cpu ratio to {was['vs']} at {told(length)}"
            yield Difference(name, what, one["estimate"], other["estimate"], slow)
        else:
            yield Difference(name, what, before, value, slow)
