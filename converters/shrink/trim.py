"""``trim-vocab``: embedding rows and tokenizer cut together, to what some text needs.

For text whose tokens are all kept the model is the same. Any other word falls into smaller pieces,
on which it was hardly trained; how often that happens is measured on text that chose no token.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edgekit.converters.shrink.folder import add_to_step, changing, reopened, write_checkpoint
from edgekit.converters.shrink.trim_choice import Wanted, kept_ids, read_wanted
from edgekit.converters.shrink.trim_ids import renumbered
from edgekit.converters.shrink.trim_proof import Expected, expect, largest_difference
from edgekit.converters.shrink.trim_rows import cut_rows, parameter_count, vocabulary_axes
from edgekit.converters.shrink.trim_texts import changed_rows, share
from edgekit.converters.shrink.trim_tokenizer import TokenizerFile, dropped_files, numbered
from edgekit.converters.shrink.vocabularies import Numbers
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.layout import Layout, find_layout
from edgekit.converters.sources.weights_check import find_weights

from edgekit.errors import BudgetError, UnsupportedError
from edgekit.parity.metrics import Interval
from edgekit.progress import Progress
from edgekit.tasks import Example
from edgekit.trimmed import Trimmed

#: share of held-out rows that may be read otherwise
MAX_CHANGED = 0.01


@dataclass(frozen=True, slots=True)
class _Cut:
    """A cut that passed its gate and is not made yet.

    Attributes:
      tokenizer: of the source.
      axes: of the tables with a row per token.
      numbers: new id by old one.
      files: of the new tokenizer, by name.
      changed: bool [held-out rows], those that it reads otherwise.
      expected: what the source gives for the others.
    """

    tokenizer: TokenizerFile
    axes: Mapping[str, int]
    numbers: Numbers
    files: Mapping[str, str]
    changed: npt.NDArray[np.bool_]
    expected: Expected


def trim_vocab(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    keep_text: Sequence[str | os.PathLike[str]] = (),
    keep_scripts: Sequence[str] = (),
    held_out: str | os.PathLike[str] | None = None,
    max_changed: float = MAX_CHANGED,
    force: bool = False,
    task: str | None = None,
    max_length: int | None = None,
    base: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Trimmed:
    """Write a checkpoint without the tokens that some text never uses.

    Args:
      model: checkpoint folder, hub id, or "demo".
      out: the new checkpoint's folder; appears whole, or not at all.
      keep_text: files whose tokens are kept: a text per line (.txt), TSV or JSONL.
      keep_scripts: all tokens of these scripts are kept as well ("latin", "han").
      held_out: file of the text that the share of changed rows is measured on; every tenth row of
        the kept text, which then chooses no token, when None.
      max_changed: the largest such share, 0 to 1.
      force: replace a folder that such a step wrote.
      task, max_length, base: as for ``export``.
      progress: where stages are told.
    Raises:
      BudgetError: more rows changed.
      EdgekitError: see ``edgekit.errors``; nothing is left at ``out`` then.
    """
    progress = progress or Progress.silent()
    wanted = read_wanted([Path(path) for path in keep_text], keep_scripts, held_out)
    under = None if base is None else os.fspath(base)
    progress.stage("load")
    opened = changing(os.fspath(model), Path(out), force, task, max_length, under)
    with opened as (checkpoint, folder):
        layout = find_layout(checkpoint.folder, under)
        progress.stage("choose tokens")
        cut = _plan(checkpoint, layout, wanted, max_changed)
        before = _sizes(checkpoint, layout.model)
        progress.stage("cut and write")
        cut_rows(checkpoint.model, cut.axes, cut.numbers)
        write_checkpoint(checkpoint, folder, {"step": "trim-vocab"}, under, cut.files)
        _renumber_copied(checkpoint, folder, cut.numbers)
        progress.stage("prove")
        trimmed = reopened(folder, checkpoint)
        _check_reading(checkpoint, trimmed, cut, wanted)
        after = _sizes(trimmed, folder)
        tokens = cut.tokenizer.tokens
        result = Trimmed(
            name=checkpoint.name,
            tokens=(len(tokens), sum(number in cut.numbers for number in tokens)),
            **{key: (before[key], after[key]) for key in before},
            changed=share(cut.changed),
            max_changed=max_changed,
            proven_rows=len(cut.expected.rows),
            largest_difference=largest_difference(trimmed, cut.expected),
            notes=(*wanted.notes, *_notes(tokens, before["rows"], layout.tokenizer)),
        )
        add_to_step(folder, {**result.to_json(), "scripts": sorted(wanted.scripts)})
    progress.done()
    return result


def _plan(checkpoint: Checkpoint, layout: Layout, wanted: Wanted, max_changed: float) -> _Cut:
    """Choose tokens, judge the choice, and run the source, which is still whole."""
    tokenizer = TokenizerFile.read(checkpoint.tokenizer_json)
    axes = vocabulary_axes(checkpoint.model)
    numbers = numbered(kept_ids(checkpoint, tokenizer, axes, wanted))
    files = tokenizer.files(layout.tokenizer, numbers)
    changed = changed_rows(
        checkpoint.tokenizer_json, files["tokenizer.json"], numbers, wanted.held_out,
        checkpoint.contract,
    )  # fmt: skip
    _judge(share(changed), max_changed, len(numbers))
    _check_kept(checkpoint, files["tokenizer.json"], numbers, wanted.kept)
    same = [row for row, other in zip(wanted.held_out, changed, strict=True) if not other]
    return _Cut(tokenizer, axes, numbers, files, changed, expect(checkpoint, same, numbers))


def _judge(changed: Interval, allowed: float, tokens: int) -> None:
    if changed.mean > allowed:
        raise BudgetError(
            f"with {tokens} tokens kept, {changed.mean:.1%} ({changed.low:.1%} to "
            f"{changed.high:.1%}) of {changed.n} held-out rows are read otherwise; "
            f"{100 * allowed:g}% may be.",
            "keep more text or whole scripts (--keep-script), or allow more with --max-changed.",
        )


def _check_kept(
    checkpoint: Checkpoint, cut: str, numbers: Numbers, kept: Sequence[Example]
) -> None:
    """The text that chose the tokens is read as before, whatever its tokenizer does with it."""
    if not kept:
        return
    source, contract = checkpoint.tokenizer_json, checkpoint.contract
    changed = np.flatnonzero(changed_rows(source, cut, numbers, kept, contract))
    if changed.size:
        raise UnsupportedError(
            f"with its own tokens alone, {changed.size} of {len(kept)} rows of the kept text are "
            f"read otherwise, the first of them {kept[int(changed[0])].text[:40]!r}.",
            "leave such rows out of --keep-text, or keep their script with --keep-script.",
        )


def _renumber_copied(checkpoint: Checkpoint, folder: Path, numbers: Numbers) -> None:
    """generation_config.json beside a model that does not generate is a copy of the source's."""
    path = folder / "generation_config.json"
    if getattr(checkpoint.model, "generation_config", None) is None and path.is_file():
        values = json.loads(path.read_text(encoding="utf-8"))
        text = json.dumps({**values, **renumbered(values, numbers)}, indent=2, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")


def _check_reading(source: Checkpoint, trimmed: Checkpoint, cut: _Cut, wanted: Wanted) -> None:
    """transformers builds some tokenizers anew: what it built must be what was judged."""
    cut.tokenizer.check(trimmed.tokenizer_json, cut.numbers)
    found = changed_rows(
        source.tokenizer_json, trimmed.tokenizer_json, cut.numbers, wanted.held_out,
        source.contract,
    )  # fmt: skip
    if (found != cut.changed).any():
        raise UnsupportedError(
            "transformers reads the cut tokenizer otherwise than its tokenizer.json says.",
            "save it as a plain tokenizer.json (tokenizer_class PreTrainedTokenizerFast).",
        )


def _sizes(checkpoint: Checkpoint, folder: Path) -> dict[str, int]:
    return {
        "rows": int(checkpoint.model.config.vocab_size),
        "parameters": parameter_count(checkpoint.model),
        "weights_bytes": sum(path.stat().st_size for path in find_weights(folder)),
        "tokenizer_bytes": len(checkpoint.tokenizer_json.encode("utf-8")),
    }


def _notes(tokens: Mapping[int, str], rows: int, folder: Path) -> list[str]:
    notes = []
    if without := rows - len(tokens):
        notes.append(f"{without} rows of the source belong to no token")
    if dropped := dropped_files(folder):
        notes.append(f"left out: {', '.join(dropped)} (tokenizer.json says it all)")
    return notes
