"""`edgekit prune`: a checkpoint with narrower FFNs, and its size, speed and quality beside."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.converters.opening import calibration_text, require_packages
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.shrink.folder import add_to_step, changing, reopened, write_checkpoint
from edgekit.converters.shrink.width import check_share, kept_width
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import UnsupportedError
from edgekit.parity.metrics import Interval
from edgekit.progress import Progress
from edgekit.sweep.point import Point


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was done, and measured.

    Attributes:
      name: of the source.
      out: the checkpoint folder.
      widths: config value -> neurons of each FFN before and after.
      parameters: of the model before and after.
      texts, tokens: calibration.
      cosine: mean cosine of the pruned float model to the source on held-out text.
      files: the same file of the source and of the pruned model, each against the source's float
        outputs and its float file's time; None where there is none.
      notes: what is to be said beside.
    """

    name: str
    out: Path
    widths: dict[str, tuple[int, int]]
    parameters: tuple[int, int]
    texts: int
    tokens: int
    cosine: Interval
    files: tuple[Point, Point] | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "out": str(self.out),
            "experimental": True,
            "widths": {k: {"before": b, "after": a} for k, (b, a) in self.widths.items()},
            "parameters": {"before": self.parameters[0], "after": self.parameters[1]},
            "calibration": {"texts": self.texts, "tokens": self.tokens},
            "cosine": asdict(self.cosine),
            "files": _files_json(self.files),
            "notes": list(self.notes),
        }


def prune(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    ffn: float,
    calibration: str | os.PathLike[str] | None = None,
    force: bool = False,
    task: str | None = None,
    max_length: int | None = None,
    base: str | None = None,
    progress: Progress | None = None,
) -> Pruning:
    """Remove neurons from a model's FFNs and fit the rest anew, without labels or gradients.

    Args:
      model: checkpoint folder, hub id, or "demo".
      out: checkpoint folder to appear, whole, which every command takes as a source.
      ffn: share of the neurons that stay, in (0, 1]; rounded to whole blocks (``kept_width``).
      calibration: file of texts to fit on, in place of the built-in ones.
      force: a folder that such a step wrote may be replaced.
      task, max_length, base: as for ``export``.
      progress: where stages are told.
    Raises:
      UsageError: no such share, or no whole block is left, or none removed for a share below 1.
      UnsupportedError: the model's FFNs cannot be cut, with the reason.
      EdgekitError: source or folder cannot be used.
    """
    progress = progress or Progress.silent()
    check_share(ffn)
    text = CalibrationText.builtin() if calibration is None else calibration_text(Path(calibration))
    require_packages(("onnx",), "pruning")
    progress.stage("load")
    with changing(str(model), Path(out), force, task, max_length, base) as (checkpoint, folder):
        found = _prune(checkpoint, folder, str(model), ffn, text, base, progress, Path(out))
    progress.done()
    return found


def _prune(
    checkpoint: Checkpoint,
    folder: Path,
    model: str,
    share: float,
    text: CalibrationText,
    base: str | None,
    progress: Progress,
    out: Path,
) -> Pruning:
    from edgekit.converters.held_out import HeldOut
    from edgekit.converters.quantize.calibration import text_batches
    from edgekit.converters.shrink.ffn_pruning import plan_pruning, prune_ffns

    parameters = _count(checkpoint)
    batches = text_batches(checkpoint, text)
    plan = plan_pruning(checkpoint, batches[0], lambda width: kept_width(width, share))
    held_out = HeldOut.builtin(checkpoint)
    progress.stage("prune")
    prune_ffns(checkpoint, batches, plan)
    progress.stage("measure the model")
    cosine = held_out.cosine(checkpoint.reference(held_out.rows))
    tokens = sum(next(iter(batch.values())).size for batch in batches)
    step = {
        "step": "prune", "ffn": share, "widths": {k: list(v) for k, v in plan.widths.items()},
        "calibration": {**text.to_json(), "tokens": tokens}, "cosine": asdict(cosine),
    }  # fmt: skip
    write_checkpoint(checkpoint, folder, step, base)
    reopened(folder, checkpoint)
    progress.stage("measure files")
    files, notes = _files(checkpoint, folder, model, base)
    add_to_step(folder, {"files": _files_json(files)})
    counts = parameters, _count(checkpoint)
    return Pruning(
        checkpoint.name, out, plan.widths, counts, len(text.texts), tokens, cosine, files, notes
    )


def _files(
    checkpoint: Checkpoint, folder: Path, model: str, base: str | None
) -> tuple[tuple[Point, Point] | None, tuple[str, ...]]:
    """The same file of both models, or why there is none."""
    from edgekit.converters.shrink.effect import before_and_after

    contract = checkpoint.contract
    with tempfile.TemporaryDirectory(prefix="edgekit-prune-") as scratch:
        try:
            files = before_and_after(
                model, folder, Path(scratch), task=contract.task, max_length=contract.max_length,
                base=base,
            )  # fmt: skip
        except UnsupportedError as error:  # of files alone: the checkpoint is as good as ever
            return None, (f"no files were measured: {error.message}",)
    return files, ()


def _files_json(files: tuple[Point, Point] | None) -> dict[str, Any] | None:
    return None if files is None else {"before": files[0].to_json(), "after": files[1].to_json()}


def _count(checkpoint: Checkpoint) -> int:
    return sum(value.numel() for value in checkpoint.model.parameters())
