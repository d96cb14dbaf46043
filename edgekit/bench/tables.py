"""Bench results as tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.bench.profiles import PROFILES, Profile
from edgekit.bench.run import CAVEAT, BenchResult

TIMES = ("file", "tokens", "first ms", "p50", "p90", "p99", "cpu first", "cpu p50", "cpu min")
COSTS = ("file", "MB", "load ms", "cpu load", "private MB", "mapped MB", "peak MB", "cold load",
         "cold first", "read MB")  # fmt: skip
GENERATION = ("file", "prompt", "prefill/s", "first token ms", "decode/s", "cpu decode/s",
              "bound/s", "of bound", "peak MB")  # fmt: skip
RATIOS = ("file", "against", "tokens", "cpu ratio", "95 % interval", "")

NOISY = (
    "noisy: the machine was busy or its clock moved, so wall times are left out; CPU times and"
    " ratios stand"
)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def time_rows(results: Sequence[BenchResult]) -> list[tuple[str, ...]]:
    """Rows under ``TIMES``: wall, then CPU milliseconds."""
    rows = []
    for result in results:
        for length, times in result.to_json()["lengths"].items():
            cells = [
                _number(times["first"], 1),
                *(_number(times[key], 2) for key in ("p50", "p90", "p99")),
                _number(times["first_cpu"], 1),
                *(_number(times[key], 2) for key in ("cpu_p50", "cpu_min")),
            ]
            rows.append((result.path, length, *cells))
    return rows


def cost_rows(results: Sequence[BenchResult]) -> list[tuple[str, ...]]:
    """Rows under ``COSTS``: size, load, memory, cold start."""
    rows = []
    for result in results:
        if not result.fits:
            continue
        shown = result.to_json()
        memory, cold = result.memory_mb, shown["cold"] or {}
        cells = [
            f"{result.size_bytes / 1e6:.1f}",
            _number(shown["load_ms"], 0),
            _number(shown["load_cpu_ms"], 0),
            *(_number(memory.get(key), 0) for key in ("private", "file_backed", "peak_rss")),
            *(_number(cold.get(key), 0) for key in ("load_ms", "first")),
            _number(cold.get("read_mb"), 1),
        ]
        rows.append((result.path, *cells))
    return rows


def generation_rows(results: Sequence[BenchResult]) -> list[tuple[str, ...]]:
    """Rows under ``GENERATION``: tokens a second by prompt length, beside the memory's bound."""
    rows = []
    for result in results:
        for length, rates in ((result.to_json()["generation"] or {}).get("rates") or {}).items():
            share = rates.get("of_bound")
            cells = [
                _number(rates.get("prefill_per_s"), 0),
                _number(rates.get("first_token_ms"), 1),
                _number(rates.get("decode_per_s"), 1),
                _number(rates.get("decode_cpu_per_s"), 1),
                _number(rates.get("bound_per_s"), 1),
                "-" if share is None else f"{share:.0%}",
                _number(rates.get("peak_mb"), 0),
            ]
            rows.append((result.path, length, *cells))
    return rows


def ratio_rows(results: Sequence[BenchResult]) -> list[tuple[str, ...]]:
    """Rows under ``RATIOS``."""
    return [
        (result.path, result.ratio["vs"], length, f"{found['estimate']:.3f}",
         f"{found['low']:.3f} .. {found['high']:.3f}", found["verdict"])
        for result in results
        if result.ratio
        for length, found in result.ratio["lengths"].items()
    ]  # fmt: skip


def footnotes(results: Sequence[BenchResult], profile: Profile) -> list[str]:
    """What must be said with the tables: misfits, warnings, noise, and what the profile is."""
    machine = results[0].machine
    lines = [f"{result.path}: {result.problem}" for result in results if not result.fits]
    lines += [f"warning: {text}" for result in results for text in result.warnings]
    if made := [result.generation for result in results if result.generation]:
        lines.append(
            "bound: the weights that a token needs, as the file stores them, and its cache, read at"
            f" {made[0]['bandwidth'] / 1e9:.1f} GB/s (this machine's memory, as many threads); a"
            " file that lies in the CPU's cache can pass it"
        )
    lines += [] if all(result.quiet for result in results) else [NOISY]
    if any(result.cold is not None and result.cold["read_mb"] is None for result in results):
        lines.append("read MB is not known: the file could not be dropped from the page cache")
    lines.append(f"{machine['cpu']}, {profile.spec}: {CAVEAT}")
    return [*lines, profile.imitates(), profile.imitates_not()]


def profile_lines() -> list[str]:
    """``edgekit bench --profiles``: each alias, its settings, what it imitates and what not."""
    lines = []
    for profile in PROFILES.values():
        lines += [
            f"{profile.name}: {profile.spec}",
            f"  {profile.imitates()}",
            f"  {profile.imitates_not()}",
        ]
    return lines
