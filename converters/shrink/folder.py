"""A changed model becomes a normal checkpoint folder again, which every command takes.

What the folder had beside its weights and its tokenizer (pooling, chat template, generation
settings) is copied; ``edgekit-steps.json`` says what was done to the weights, step after step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.checked_options import refuse_inside
from edgekit.converters.held_out import HeldOut
from edgekit.converters.notes import made_by
from edgekit.converters.opening import load_source
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.layout import find_layout
from edgekit.converters.sources.resolve import resolve

from edgekit.errors import CheckpointError, InternalError
from edgekit.runtime.rows import require_text
from edgekit.staging import staged_folder

#: what was done to a checkpoint, oldest step first
STEPS = "edgekit-steps.json"
#: of a checkpoint folder: weights in every format, and what training left; never copied
_NOT_COPIED = (
    "*.safetensors", "*.bin", "*.h5", "*.pt", "*.pth", "*.msgpack", "*.index.json", "*.gguf",
    "*.onnx", "*.onnx.data", "*.onnx_data*", "*.ot", "*.tflite", "*.mlmodel", "*.mlpackage", "*.pb",
    "*.npz", "adapter_config.json", "trainer_state.json", STEPS, "checkpoint-*", "runs", "onnx",
    "openvino", "coreml", "gguf", "original", "distill", "README.md", ".*",
)  # fmt: skip
#: of a tokenizer, beside tokenizer.json; with old ids in them where that one was cut
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.*", "vocab-*", "merges.txt", "*.model", "*.spm", "tekken.json", "encoder.json",
    "*.codes", "dict*.txt",
)  # fmt: skip
#: a written model must give the same outputs as the one in memory, on so many texts
_SAME, _PROBES = 1e-6, 4


@contextmanager
def changing(
    model: str,
    out: Path,
    force: bool,
    task: str | None = None,
    max_length: int | None = None,
    base: str | None = None,
) -> Iterator[tuple[Checkpoint, Path]]:
    """Open a checkpoint of text that is going to be changed, and the folder it is written into.

    Args:
      model: checkpoint folder, hub id, or "demo".
      out: appears whole at the end, or not at all.
      force: a folder that such a step wrote may be replaced.
      task, max_length, base: as for ``export``.
    Yields:
      the checkpoint, and a folder beside ``out`` that becomes it.
    Raises:
      EdgekitError: the source or the folder cannot be used.
    """
    refuse_inside(out, resolve(model))
    with staged_folder(out, force, marker=STEPS) as staging:
        checkpoint = load_source(model, task, max_length, base)
        require_text(checkpoint.contract, "changing a checkpoint")
        refuse_inside(out, find_layout(checkpoint.folder, base).model)  # the base of an adapter
        yield checkpoint, staging


def write_checkpoint(
    checkpoint: Checkpoint,
    folder: Path,
    step: Mapping[str, Any],
    base: str | None = None,
    tokenizer: Mapping[str, str | bytes] | None = None,
) -> None:
    """Write the model as it stands in memory, and all that belongs to it.

    Weights are stored as the source stored them where that loses nothing, as float32 otherwise.

    Args:
      checkpoint: its ``model`` was changed in place, the ``config`` in it too.
      folder: an empty one.
      step: what was done, plain data; its "step" is the command's name.
      base: of an adapter, as it was opened with.
      tokenizer: files by name in place of the source's.
    Raises:
      MachineError: disk full.
    """
    layout = find_layout(checkpoint.folder, base)
    for place in dict.fromkeys((layout.model, layout.head, layout.tokenizer)):
        _copy_beside(place, folder)
    if tokenizer is not None:
        for name in _tokenizer_files(folder):
            (folder / name).unlink()
        for name, content in tokenizer.items():
            data = content.encode("utf-8") if isinstance(content, str) else content
            (folder / name).write_bytes(data)
    _save_model(checkpoint, folder)
    steps = [*read_steps(layout.model), {**step, "of": _name_and_digest(checkpoint), **made_by()}]
    _write_steps(folder, steps)


def add_to_step(folder: Path, values: Mapping[str, Any]) -> None:
    """Tell more of the last step: what was measured on the written checkpoint.

    Args:
      folder: written by ``write_checkpoint``, not published yet.
      values: plain data by new names.
    """
    *before, last = read_steps(folder)
    _write_steps(folder, [*before, {**last, **values}])


def _write_steps(folder: Path, steps: Sequence[Mapping[str, Any]]) -> None:
    text = json.dumps(steps, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / STEPS).write_text(f"{text}\n", encoding="utf-8")


def read_steps(folder: Path) -> list[dict[str, Any]]:
    """What was done to a checkpoint before.

    Raises:
      CheckpointError: the file is damaged.
    """
    path = folder / STEPS
    if not path.is_file():
        return []
    try:
        steps = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{path}' cannot be read ({error}).", "remove it.") from error
    if not isinstance(steps, list) or not all(isinstance(each, dict) for each in steps):
        raise CheckpointError(f"'{path}' is no list of steps.", "remove it.")
    return steps


def reopened(folder: Path, like: Checkpoint) -> Checkpoint:
    """Read a written checkpoint as any command would, and hold it against the model in memory.

    Args:
      folder: written by ``write_checkpoint``.
      like: what was written.
    Raises:
      InternalError: it does not give the same outputs: a bug of ours.
    """
    found = load_source(str(folder), like.contract.task, like.contract.max_length, None)
    held = HeldOut.builtin(found, count=_PROBES)
    want = replace(like, contract=found.contract).reference(held.rows)
    got = held.reference
    for name, values in want.items():
        worst = float(np.abs(values - got[name]).max())
        if not worst <= _SAME * max(1.0, float(np.abs(values).max())):
            raise InternalError(
                f"output '{name}' of the written checkpoint is {worst:.2g} away from the model's."
            )
    return found


def _copy_beside(place: Path, folder: Path) -> None:
    ignore = shutil.ignore_patterns(*_NOT_COPIED)
    skipped = {*ignore(str(place), [p.name for p in place.iterdir()]), "config.json"}
    for path in sorted(place.iterdir()):
        if path.name in skipped:
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=ignore, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, folder / path.name)  # not its mode: sources may be read-only


def _tokenizer_files(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir()]
    return [name for name in names if any(fnmatch(name, known) for known in _TOKENIZER_FILES)]


def _save_model(checkpoint: Checkpoint, folder: Path) -> None:
    """config.json and model.safetensors, as transformers' own class writes them."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = checkpoint.model
    stored = _lossless_type(checkpoint) or torch.float32
    made: dict[Any, Any] = {}  # tied ones stay one tensor, which is written once
    weights = {}
    for name, value in model.state_dict().items():
        place = value.data_ptr(), value.shape
        if place not in made:
            made[place] = value.to(stored) if value.is_floating_point() else value
        weights[name] = made[place]
    for name in _turned(model):
        weights[name] = weights[name].T.contiguous()
    before = model.config.use_cache if hasattr(model.config, "use_cache") else None
    try:
        if before is not None:
            model.config.use_cache = True  # switched off for the reference alone
        with quiet_libraries():
            model.save_pretrained(str(folder), state_dict=weights, max_shard_size="100GB")
    finally:
        if before is not None:
            model.config.use_cache = before
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = str(stored).removeprefix("torch.")
    path.write_text(f"{json.dumps(config, indent=2, ensure_ascii=False)}\n", encoding="utf-8")


def _turned(model: Any) -> list[str]:
    """Weights that the class holds transposed (Conv1D), and the loaded model as linear layers."""
    import torch
    from transformers.pytorch_utils import Conv1D

    with torch.device("meta"):
        plain = type(model)(model.config)
    linear = dict(model.named_modules())
    return [f"{name}.weight" for name, part in plain.named_modules()
            if isinstance(part, Conv1D) and not isinstance(linear[name], Conv1D)]  # fmt: skip


def _lossless_type(checkpoint: Checkpoint) -> Any:
    """The type the source was stored in, where all values survive it; None for float32."""
    import torch

    types = {"F16": torch.float16, "BF16": torch.bfloat16}
    stored, *others = checkpoint.source.get("stored_as") or ["F32"]
    if others or stored not in types or "adapter_stored_as" in checkpoint.source:
        return None
    tensors = (t for t in checkpoint.model.state_dict().values() if t.is_floating_point())
    exact = all(torch.equal(t.to(types[stored]).to(t.dtype), t) for t in tensors)
    return types[stored] if exact else None


def _name_and_digest(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"name": checkpoint.name, "sha256": checkpoint.source.get("sha256", {})}
