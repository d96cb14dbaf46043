"""Which tokens a user wants to keep, and which must be kept besides."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.converters.shrink.scripts import check_scripts
from edgekit.converters.shrink.trim_ids import named_ids
from edgekit.converters.shrink.trim_rows import counts_from_padding
from edgekit.converters.shrink.trim_texts import read_texts, used_ids, withhold
from edgekit.converters.shrink.trim_tokenizer import TokenizerFile
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import CasesError, CheckpointError, UsageError
from edgekit.tasks import Example


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read as before.

    Attributes:
      kept: text whose tokens are kept.
      held_out: text on which the choice is judged.
      scripts: whose tokens are kept as well.
      notes: where the held-out text is from.
    """

    kept: Sequence[Example]
    held_out: Sequence[Example]
    scripts: frozenset[str]
    notes: tuple[str, ...]


def read_wanted(
    keep_text: Sequence[Path], keep_scripts: Sequence[str], held_out: str | os.PathLike[str] | None
) -> Wanted:
    """Read and check what a user asks for, before anything heavy is loaded.

    Raises:
      UsageError: nothing to keep, nothing to judge on, or an unknown script.
      CasesError: a file is missing, holds no text, or too little.
    """
    scripts = check_scripts(keep_scripts)
    if not keep_text and not scripts:
        raise UsageError(
            "nothing says which tokens to keep.",
            "give --keep-text FILE, --keep-script NAME or both.",
        )
    if not keep_text and held_out is None:
        raise UsageError(
            "there is no text to judge the new vocabulary on.", "name some with --held-out FILE."
        )
    rows = [row for path in keep_text for row in read_texts(path)]
    if held_out is not None:
        judged = read_texts(Path(held_out))
        return Wanted(rows, judged, scripts, _seen(rows, judged))
    kept, withheld = withhold(rows)
    note = (
        f"judged on every tenth row of the kept text ({len(withheld)}), which chose no token; name "
        "other text with --held-out"
    )
    return Wanted(kept, withheld, scripts, (note,))


def _seen(kept: Sequence[Example], judged: Sequence[Example]) -> tuple[str, ...]:
    """A note where the text to judge on is the text that chose."""
    known = {(row.text, row.text_pair) for row in kept}
    both = sum((row.text, row.text_pair) in known for row in judged)
    if not both:
        return ()
    return (
        f"{both} of {len(judged)} held-out rows are rows of the kept text: the share says nothing "
        "of other text",
    )


def kept_ids(
    checkpoint: Checkpoint, tokenizer: TokenizerFile, axes: Mapping[str, int], wanted: Wanted
) -> set[int]:
    """Ids of all tokens that stay, and of rows without a token that a setting names.

    Args:
      checkpoint: the source.
      tokenizer: its tokenizer.
      axes: of its tables, as ``vocabulary_axes`` gave them.
      wanted: what the user asked for.
    Raises:
      CasesError: the kept text holds no token of this vocabulary, or all of them.
      CheckpointError: the checkpoint names a token that it does not have.
    """
    rows = int(checkpoint.model.config.vocab_size)
    _check_rows(tokenizer, rows)
    always = tokenizer.always() | _settings_ids(checkpoint, rows)
    padding = checkpoint.model.config.pad_token_id
    if padding is not None and counts_from_padding(checkpoint.model, axes):
        always |= {*range(padding)}  # its number stays, or all positions would move
    used = used_ids(checkpoint.tokenizer_json, wanted.kept)
    if wanted.kept and not used - {tokenizer.vocabulary.unknown}:
        raise CasesError(
            "no word of the kept text is in the model's vocabulary.",
            "give text in a language that the model was trained on.",
        )
    kept = tokenizer.vocabulary.with_ways(used | tokenizer.of_scripts(wanted.scripts)) | always
    if len(kept) >= rows:
        raise CasesError(
            f"nothing can be removed: all {rows} rows of the vocabulary are kept.",
            "give text or scripts that use less of it, or leave the model as it is.",
        )
    return kept


def _check_rows(tokenizer: TokenizerFile, rows: int) -> None:
    """Each token has a row; else the model was never run on it."""
    beyond = min((number for number in tokenizer.tokens if number >= rows), default=None)
    if beyond is not None:
        raise CheckpointError(
            f"token '{tokenizer.tokens[beyond]}' has id {beyond}, and the model has {rows} rows.",
            "resize its embeddings (resize_token_embeddings), or save its own tokenizer.",
        )


def _settings_ids(checkpoint: Checkpoint, rows: int) -> set[int]:
    """Ids that config.json and generation_config.json name."""
    model, found = checkpoint.model, set()
    for settings in (model.config, getattr(model, "generation_config", None)):
        for key, number in named_ids({} if settings is None else settings.to_dict()):
            if number >= rows:
                raise CheckpointError(
                    f"{key} is {number}, and the vocabulary has {rows} rows: its token would be "
                    "lost.",
                    "correct it in config.json or generation_config.json.",
                )
            found.add(number)
    return found
