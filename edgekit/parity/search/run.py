"""Run a search: every file of a folder against its source, within a budget of CPU time each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edgekit.manifest import FileEntry, Manifest
from edgekit.parity.golden import Golden, open_golden
from edgekit.parity.search import rules
from edgekit.parity.search.inputs import (
    SEED,
    Probe,
    Space,
    forms,
    lengths,
    make_space,
    packs,
    repetitions,
    specials,
)
from edgekit.parity.search.measure import yardstick_of
from edgekit.parity.search.plan import (
    LENGTHS_UNTIL,
    PADDED_UNTIL,
    TOKENS_UNTIL,
    Plan,
    make_plan,
    source_buckets,
)
from edgekit.parity.search.result import Finding, Found, Search
from edgekit.parity.search.runner import FileRunner
from edgekit.parity.search.source import Sources
from edgekit.parity.search.trial import Clock, Remembered, Trial, Tried
from edgekit.parity.thresholds import thresholds_for
from edgekit.parity.validate import FileVerdict, Validation, fitting
from edgekit.parity.worker import WorkerDied
from edgekit.progress import Progress
from edgekit.runtime.rows import require_text
from edgekit.runtime.tokenizer import TextTokenizer

#: CPU seconds of a file's search
SECONDS = 100.0
#: worst inputs that are told
WORST = 5
#: tokens tried alone where the vocabulary was tried in rows: suspects, and others beside them
SUSPECTS, OTHERS = 768, 256


def search_folder(
    validation: Validation,
    reference: str | None = None,
    base: str | None = None,
    level: str = "native",
    seconds: float = SECONDS,
    thresholds: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Search:
    """Look for the inputs on which files and source differ most.

    Args:
      validation: of the folder or file (``edgekit.parity.validate.validate``); files that could
        not be run there are left out.
      reference: the checkpoint, run in torch (needs the ``convert`` extra); a float32 file of the
        folder stands for it when None.
      base: of the checkpoint, where it is an adapter.
      level: CPU level to run files on.
      seconds: CPU time for each file, the source's share included.
      thresholds: the user's bounds, as ``edgekit.validate`` takes them.
      progress: where each file is told.
    Raises:
      UsageError: nothing can stand for the source.
      ArtifactError: the folder's golden texts or tokenizer are damaged.
    """
    progress = progress or Progress.silent()
    folder = validation.folder
    manifest = Manifest.read(folder)
    require_text(manifest.contract, "a search for the worst inputs")
    golden, _ = open_golden(folder, manifest)
    tokenizer = TextTokenizer.from_folder(folder, manifest.contract)
    verdicts = {v.entry.path: v for v in validation.files}
    found = []
    with ExitStack() as stack:
        sources = Sources(
            folder, manifest, golden, verdicts, reference, base, level, stack
        )  # fmt: skip
        for verdict in validation.files:
            if verdict.parity is None:
                continue
            source = sources.source_for(verdict.entry)
            if source is None:
                continue
            progress.stage(f"search {verdict.entry.path}")
            space = make_space(golden, manifest.contract, tokenizer, _rows(verdict.entry))
            found.append(
                _search_file(
                    folder,
                    verdict,
                    golden,
                    space,
                    source,
                    level,
                    seconds,
                    fitting(thresholds, manifest, verdict.entry, verdict.entry.full_recipe().kind),
                )
            )
    progress.done()
    return Search(tuple(found), seconds)


def _search_file(
    folder: Path,
    verdict: FileVerdict,
    golden: Golden,
    space: Space,
    source: tuple[Remembered, str],
    level: str,
    seconds: float,
    bounds: Mapping[str, float],
) -> Found:
    entry, (answers, target) = verdict.entry, source
    contract, kind = space.contract, entry.full_recipe().kind
    yard = yardstick_of(thresholds_for(contract.task, kind, bounds), dict(golden.outputs))
    beside = source_buckets(target, contract)
    plan = make_plan(entry, beside, space.frame, space.vocabulary, seconds)
    notes: list[str] = []
    with FileRunner(folder / entry.path, contract, level) as file:
        clock = Clock(seconds, (file, answers))
        trial = Trial(file, answers, yard, clock)
        singles: list[Tried] = []
        findings: list[Finding] = []
        covered = 0
        try:
            _texts(trial, space, plan, entry.target, notes)
            singles, covered = _vocabulary(trial, space, plan, notes)
            findings += rules.bad_lengths(trial, space, plan.step)
            findings += rules.bad_tokens(trial, space, singles)
            findings += rules.bad_padding(trial, space)
            findings += rules.beyond_bound(trial, space)
        except WorkerDied as died:
            notes.append(f"given up: {died.message}")
        findings = rules.crashes(trial, space) + findings
        worst = sorted(trial.tried, key=lambda t: -t.error)
        return Found(
            file=entry.path,
            served=answers.name,
            metric=yard.metric,
            bound=yard.bound,
            bound_source=yard.source,
            inputs=dict(Counter(t.probe.kind for t in trial.tried)),
            medians=_medians(trial.tried),
            vocabulary={"tokens": covered, "of": space.vocabulary, "per_row": plan.per_row},
            worst=tuple(rules.worst_of(trial, space, t) for t in _distinct(worst)),
            findings=tuple(findings),
            cpu_seconds=round(clock.spent, 1),
            notes=tuple(notes),
        )


def _texts(trial: Trial, space: Space, plan: Plan, target: str, notes: list[str]) -> None:
    """Forms, special tokens, repetitions; every length; padding."""
    trial.run([*forms(space), *specials(space), *repetitions(space)])
    probes = lengths(space, plan.texts, plan.step)
    done = len(trial.run(probes, width=1, share=LENGTHS_UNTIL))
    if done < len(probes):
        notes.append(f"{done} of {len(probes)} texts of every length were tried: the time was over")
    # texts of all lengths side by side, each batch a wide mix
    first = [p for p in probes if p.note.endswith("of text")][: len(probes) // plan.texts]
    order = np.random.default_rng(SEED).permutation(len(first))
    trial.run([first[i] for i in order], width=-1, share=PADDED_UNTIL)
    widths = [n for n in space.contract.buckets if n > min(space.contract.buckets)]
    if target == "onnx":
        widths = [space.frame.longest]
    edges = [p for p in first if p.length in space.edges]
    for width in widths:
        shorter = [p for p in edges if p.length < width]
        trial.run(shorter, width=width, share=PADDED_UNTIL)


def _vocabulary(
    trial: Trial, space: Space, plan: Plan, notes: list[str]
) -> tuple[list[Tried], int]:
    """Every token once; those of suspicious rows, and some others, alone.

    Returns:
      the inputs of a single token, and how many tokens were covered.
    """
    packed = packs(space, plan.per_row)
    if plan.per_row == 1:
        start = len(trial.tried)
        trial.run([_single(space, int(t[0])) for t in packed], share=TOKENS_UNTIL)
        singles = trial.tried[start:]
        covered = len(singles)
    else:
        rows = [
            Probe("tokens", f"{len(t)} tokens of the vocabulary", space.frame.row(t))
            for t in packed
        ]
        errors = trial.run(rows, share=TOKENS_UNTIL)
        covered = sum(len(t) for t in packed[: len(errors)])
        order = np.argsort(-errors, kind="stable")
        ranked = [int(token) for i in order for token in packed[i]]
        rest = np.array(ranked[SUSPECTS:], np.int64)
        others = np.random.default_rng(SEED).permutation(rest)[:OTHERS].tolist()
        start = len(trial.tried)
        # the others first: without them suspects could not be told from noise
        trial.run([_single(space, t) for t in [*others, *ranked[:SUSPECTS]]])
        singles = trial.tried[start:]
    total = sum(len(t) for t in packed)
    if covered < total:
        notes.append(f"{covered} of {total} tokens were tried: the time was over")
    return singles, covered


def _single(space: Space, token: int) -> Probe:
    return Probe("token", f"token {token} alone", space.frame.row([token]))


def _medians(tried: list[Tried]) -> dict[str, float]:
    kinds: dict[str, list[float]] = {}
    for t in tried:
        kinds.setdefault(t.probe.kind, []).append(t.error)
    return {kind: float(np.median(errors)) for kind, errors in kinds.items()}


def _distinct(worst: list[Tried]) -> list[Tried]:
    """The first few of different ids."""
    seen: dict[bytes, Tried] = {}
    for t in worst:
        seen.setdefault(t.probe.row["input_ids"].tobytes(), t)
        if len(seen) == WORST:
            break
    return list(seen.values())


def _rows(entry: FileEntry) -> int:
    """Rows of the file's largest table, which is the words'."""
    return max((t["shape"][0] for t in entry.tensors if t["role"] in ("table", "tied")), default=0)
