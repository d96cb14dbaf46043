"""Text that no calibration sees, what the source makes of it, and how far a file is from that.

The built-in evaluation text is of two kinds that the calibration text has none of. Its even texts
are for searches (which recipe, how many bits), its odd ones for the last word on what was found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.contract import Contract
from edgekit.errors import UnsupportedError
from edgekit.parity.metrics import Interval, bootstrap, cosines
from edgekit.parity.worker import run_file
from edgekit.runtime.tokenizer import Ids, TextTokenizer
from edgekit.tasks import Example, get_task
from edgekit.tasks.base import row_counts

_FILE = Path(__file__).parent / "quantize" / "text" / "evaluation.jsonl"

Part = Literal["search", "verify", "all"]
Floats = npt.NDArray[np.float32]


@cache
def evaluation_texts() -> tuple[str, ...]:
    """The built-in evaluation text: no sentence, kind or pattern of the calibration text's."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line)["text"] for line in lines)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Examples, and what the source gives for them.

    Attributes:
      contract: of the source, with its final lengths.
      rows: the examples' inputs, without padding.
      reference: the source's outputs, judged rows (``edgekit.tasks.base``) by output name.
      owner: the example of each judged row, int64.
    """

    contract: Contract
    rows: tuple[Ids, ...]
    reference: Mapping[str, Floats]
    owner: npt.NDArray[np.int64]

    @staticmethod
    def of(
        checkpoint: Checkpoint, examples: Sequence[Example], original: Checkpoint | None = None
    ) -> HeldOut:
        """Run the source on some examples.

        Args:
          checkpoint: whose tokenizer reads what a file is given.
          examples: held out.
          original: whose outputs count, where that is another; it reads by its own tokenizer.
        Raises:
          UnsupportedError: the two judge the same text by different numbers of outputs.
        """
        rows, owner = _rows_of(checkpoint, examples)
        if original is None:
            return HeldOut(checkpoint.contract, rows, checkpoint.reference(rows), owner)
        theirs, theirs_owner = _rows_of(original, examples)
        if not np.array_equal(owner, theirs_owner):
            raise UnsupportedError(
                f"'{checkpoint.name}' and '{original.name}' have an output for every token and "
                "cut the same text into different tokens.",
                "such models cannot be held against each other output by output.",
            )
        return HeldOut(checkpoint.contract, rows, original.reference(theirs), owner)

    @staticmethod
    def builtin(
        checkpoint: Checkpoint,
        part: Part = "all",
        count: int | None = None,
        original: Checkpoint | None = None,
    ) -> HeldOut:
        """The source on the built-in evaluation text.

        Args:
          checkpoint: the source.
          part: every other text ("search", "verify"), or all.
          count: the first so many of them.
          original: see ``of``.
        """
        texts = evaluation_texts()
        chosen = {"search": texts[::2], "verify": texts[1::2], "all": texts}[part][:count]
        pairs = get_task(checkpoint.contract.task).takes_pairs
        examples = [
            Example(text, chosen[(i + 1) % len(chosen)] if pairs else None)
            for i, text in enumerate(chosen)
        ]
        return HeldOut.of(checkpoint, examples, original)

    def cosine(self, outputs: Mapping[str, Floats]) -> Interval:
        """Mean cosine to the source's outputs with its interval over examples.

        Args:
          outputs: judged rows by name, as ``reference``.
        """
        names = sorted(self.reference)
        want = np.concatenate([self.reference[n] for n in names], axis=1)
        got = np.concatenate([outputs[n] for n in names], axis=1)
        return bootstrap(cosines(want, got), self.owner)

    def measure(self, path: Path, threads: int = 1) -> Interval:
        """The mean cosine of a written file, run in a fresh process.

        Raises:
          WorkerDied: the runtime cannot run it.
        """
        modes = run_file(path, self.rows, self.contract, threads=threads, modes=["alone"])
        return self.cosine(modes["alone"])


def _rows_of(
    checkpoint: Checkpoint, examples: Sequence[Example]
) -> tuple[tuple[Ids, ...], npt.NDArray[np.int64]]:
    """A model's own reading of some examples, and the example of each judged row."""
    contract = checkpoint.contract
    task = get_task(contract.task)
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, contract)
    rows = task.prepare(examples, contract, tokenizer)
    return tuple(rows), np.repeat(np.arange(len(rows)), row_counts(task, rows, contract))
