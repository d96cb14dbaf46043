"""Interrupted work goes on: one file beside the result, replaced whole at every checkpoint.

A safetensors file holds the weights, the optimizer's moments, and in its header as JSON the number
of steps, the curve and what the work depends on; nothing in it is run when it is read.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from edgekit.distillation import CurvePoint
from edgekit.errors import CheckpointError, FolderExistsError, machine_error

_FILE = "state.safetensors"
_ENTRY = "edgekit-distill"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a checkpoint holds.

    Attributes:
      done: steps.
      curve: points so far.
      cpu_s: CPU time so far, seconds.
      tensors: as ``Trainer.state`` gave them.
    """

    done: int
    curve: tuple[CurvePoint, ...]
    cpu_s: float
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


class Store:
    """The folder of interrupted work beside ``out``.

    Args:
      out: the folder that will be the result.
      depends: what the result depends on, plain data by name: work that was begun with anything
        else is not gone on with.
    """

    def __init__(self, out: Path, depends: Mapping[str, Any]) -> None:
        whole = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a link at out
        self.folder = whole.with_name(f".{whole.name}.edgekit-distill")
        self._depends = dict(depends)

    @property
    def has_work(self) -> bool:
        """Whether a checkpoint was kept."""
        return (self.folder / _FILE).is_file()

    def read(self, force: bool) -> Kept | None:
        """The last checkpoint, or None.

        Args:
          force: work that was begun with something else is dropped instead of refused.
        Raises:
          FolderExistsError: it was begun with something else.
          CheckpointError: the file is damaged.
        """
        path = self.folder / _FILE
        if not path.is_file():
            return None
        try:
            state, tensors = _read(path)
            done, cpu_s = int(state["done"]), float(state["cpu_s"])
            curve = tuple(CurvePoint(**point) for point in state["curve"])
        except Exception as error:  # safetensors has errors of its own
            if force:
                self.remove()
                return None
            raise CheckpointError(
                f"the interrupted work in '{self.folder}' cannot be read ({type(error).__name__}).",
                "remove that folder, or start anew with --force.",
            ) from error
        changed = [n for n, value in self._depends.items() if state["depends"].get(n) != value]
        if changed:
            if force:
                self.remove()
                return None
            raise FolderExistsError(
                f"'{self.folder}' holds {done} steps of interrupted work with another "
                f"{changed[0]}.",
                "repeat that command as it was, start anew with --force, or choose another -o.",
            )
        return Kept(done, curve, cpu_s, tensors)

    def write(self, kept: Kept) -> None:
        """Replace the checkpoint; a kill at any moment leaves the one before.

        Raises:
          MachineError: disk full, no permission.
        """
        from safetensors.torch import save_file

        state = {
            "depends": self._depends,
            "done": kept.done,
            "cpu_s": kept.cpu_s,
            "curve": [{"step": p.step, "loss": p.loss, "held_out": p.held_out} for p in kept.curve],
        }
        new = self.folder / f"{_FILE}.new"
        tensors = {name: value.contiguous() for name, value in kept.tensors.items()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, str(new), metadata={_ENTRY: json.dumps(state)})
            with new.open("rb") as written:
                os.fsync(written.fileno())
            new.replace(self.folder / _FILE)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            raise machine_error(f"keeping a checkpoint in '{self.folder}'", error) from error

    def remove(self) -> None:
        """The result is there: nothing is left to go on with."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        state = json.loads(file.metadata()[_ENTRY])
        return state, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
