"""The output folder of transformers' Trainer: which of the checkpoints in it is the model.

Source: transformers' Trainer writes ``checkpoint-<step>`` folders, each with a trainer_state.json
that names the best one so far; ``save_model()`` puts the final weights at the top. Everything else
that it leaves there (training_args.bin, optimizer.pt, scheduler.pt, rng_state.pth) is pickle and is
never opened.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from edgekit.converters.sources.weights_check import check_structure, find_weights

from edgekit.errors import CheckpointError, EdgekitError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

_STEP = re.compile(r"checkpoint-(\d+)")
#: pickle weights count: they are refused, but not by taking another model in their place
_TOP_WEIGHTS = (
    ADAPTER_WEIGHTS, "adapter_model.bin", "model.safetensors", "model.safetensors.index.json",
    "pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "tf_model.h5.index.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """The checkpoint that was taken out of a folder.

    Attributes:
      folder: holds config and weights.
      name: what to tell: "checkpoint-30", "the top of the folder", or "" when there was no choice.
      notes: why, and what was passed over; whole sentences without a period.
    """

    folder: Path
    name: str = ""
    notes: tuple[str, ...] = ()


def is_step(folder: Path) -> bool:
    """Whether a folder is named as Trainer names its checkpoints."""
    return _STEP.fullmatch(folder.resolve().name) is not None


def take_checkpoint(folder: Path) -> Taken:
    """Choose the checkpoint of a folder.

    Weights at the top win; else the best one that trainer_state.json names, by its folder name
    alone (the path in it is that of the training machine); else the highest step that is whole.

    Raises:
      CheckpointError: there are ``checkpoint-*`` folders and none is whole.
    """
    steps = _steps(folder)
    if not steps:
        return Taken(folder)
    if any((folder / name).exists() for name in _TOP_WEIGHTS):
        note = f"the weights at its top were taken, not those of {_listed(steps)}"
        return Taken(folder, "the top of the folder", (note,))
    broken = {step: reason for step in steps if (reason := why_incomplete(step))}
    whole = [step for step in steps if step not in broken]
    passed_over = [f"{step.name} was passed over: {reason}" for step, reason in broken.items()]
    if not whole:
        step, reason = next(iter(broken.items()))
        raise CheckpointError(
            f"no checkpoint-* folder in '{folder}' is whole ({step.name}: {reason}).",
            "copy the folder anew, or save the model with trainer.save_model(DIR).",
        )
    best, trouble = _best(folder, steps[0])
    if best is not None and folder / best in whole:
        why = f"{best} was taken: trainer_state.json names it the best"
        return Taken(folder / best, best, (why, *passed_over))
    newest = whole[0]
    why = f"{newest.name} was taken: the highest step that is whole"
    if best is not None and folder / best not in steps:
        why += f" ({best}, the best by trainer_state.json, is not there)"
    elif trouble:
        why += f" ({trouble})"
    return Taken(newest, newest.name, (why, *passed_over))


def why_incomplete(folder: Path) -> str:
    """What a checkpoint folder lacks, or "" when config and weights are there and readable.

    Sizes are held against the headers, so that a file whose writing was cut off is found; values
    are checked later, when the checkpoint is loaded.
    """
    adapter = (folder / ADAPTER_CONFIG).exists()
    config = folder / (ADAPTER_CONFIG if adapter else "config.json")
    try:
        if not isinstance(json.loads(config.read_text(encoding="utf-8")), dict):
            return f"its {config.name} is no JSON object"
    except FileNotFoundError:
        return f"it has no {config.name}"
    except (OSError, ValueError, RecursionError):
        return f"its {config.name} cannot be read"
    if adapter and not (folder / ADAPTER_WEIGHTS).is_file():
        return f"it has no {ADAPTER_WEIGHTS}"
    try:
        paths = [folder / ADAPTER_WEIGHTS] if adapter else find_weights(folder)
    except EdgekitError as error:
        named = "shard" in error.message or "index" in error.message
        return "its shards are incomplete" if named else "it has no safetensors weights"
    for path in paths:
        try:
            check_structure(path)
        except (EdgekitError, OSError):
            return f"its {path.name} is damaged or cut off"
    return ""


def _steps(folder: Path) -> list[Path]:
    """``checkpoint-<n>`` folders, highest step first."""
    found = []
    for path in folder.iterdir():
        match = _STEP.fullmatch(path.name)
        if match and path.is_dir():
            found.append((int(match[1]), path.name, path))
    return [path for _, _, path in sorted(found, reverse=True)]


def _best(folder: Path, newest: Path) -> tuple[str | None, str]:
    """Name of the best checkpoint by trainer_state.json, and what is wrong with that file."""
    for path in (folder / "trainer_state.json", newest / "trainer_state.json"):
        if not path.is_file():
            continue
        try:
            state: Any = json.loads(path.read_text(encoding="utf-8"))
            best = state.get("best_model_checkpoint")
        except (OSError, ValueError, RecursionError, AttributeError):
            return None, "its trainer_state.json cannot be read, so the best is not known"
        if not isinstance(best, str):
            continue
        # a Windows path object splits at both kinds of slash
        name = PureWindowsPath(best).name
        return (name, "") if _STEP.fullmatch(name) else (None, "")
    return None, ""


def _listed(steps: list[Path]) -> str:
    names = [step.name for step in steps]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
