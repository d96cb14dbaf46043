"""What is run on each family, and what should come out: some golden cases of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.devices.execute import Run
from edgekit.manifest import Manifest
from edgekit.parity.golden import Golden
from edgekit.parity.metrics import joined
from edgekit.runtime.rows import Row
from edgekit.tasks import Decision, get_task
from edgekit.tasks.base import Floats, judged_rows, split_rows


@dataclass(frozen=True, slots=True)
class Subject:
    """Cases and the source's outputs.

    Attributes:
      manifest: of the folder.
      rows: unpadded inputs.
      reference: the source's judged rows, float32 [m, d] by name (``edgekit.tasks.base``).
      decisions: the source's decision of each case; empty where nothing is decided.
    """

    manifest: Manifest
    rows: tuple[Row, ...]
    reference: Mapping[str, Floats]
    decisions: tuple[Decision, ...]

    @staticmethod
    def of(golden: Golden, picked: Sequence[int], manifest: Manifest) -> Subject:
        """Some of the golden examples."""
        task = get_task(manifest.contract.task)
        parts = split_rows(task, golden.outputs, golden.rows, manifest.contract)
        return Subject(
            manifest,
            tuple(golden.rows[i] for i in picked),
            {n: np.concatenate([parts[i][n] for i in picked]) for n in golden.outputs},
            tuple(golden.decisions[i] for i in picked) if golden.decisions else (),
        )

    def joined(self, outputs: Mapping[str, Floats]) -> list[Floats]:
        """Judged rows of each example, all outputs side by side."""
        task = get_task(self.manifest.contract.task)
        parts = split_rows(task, outputs, self.rows, self.manifest.contract)
        return [joined(part) for part in parts]

    def judged(self, run: Run) -> dict[str, Floats]:
        """A family's outputs as judged rows [m, d] by name."""
        contract = self.manifest.contract
        task = get_task(contract.task)
        parts = [
            judged_rows(task, found, [row], contract)
            for found, row in zip(run.rows, self.rows, strict=True)
        ]
        return {
            name: np.concatenate([part[name] for part in parts]) for name in contract.output_names
        }
