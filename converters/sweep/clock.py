"""What a call of a file costs, measured in turn with another file."""

from __future__ import annotations

from pathlib import Path

from edgekit.converters.opening import open_target
from edgekit.converters.pipeline import quantized, write_recipe
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.bench.folder import LENGTHS
from edgekit.bench.pairs import compare_pair
from edgekit.bench.processes import Measured
from edgekit.bench.profiles import Profile
from edgekit.bench.run import real_rows
from edgekit.progress import Progress
from edgekit.recipe import Recipe
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.sweep.point import RelativeTime
from edgekit.tasks import get_task
from edgekit.tasks.builtin_cases import builtin_cases

#: an interval of about one percent on a quiet machine, in a few seconds for a small model
_PROCESSES, _ROUNDS = 4, 20
_FLOAT = "fp32"


class Clock:
    """Times files in turn with the float32 file of one model.

    Args:
      original: the model.
      work: keeps its float32 files, one of each target.
    """

    def __init__(self, original: Checkpoint, work: Path) -> None:
        self._original, self._work = original, work
        self._files: dict[str, Path] = {}

    def time(self, checkpoint: Checkpoint, path: Path) -> RelativeTime:
        """A file against the original's float32 file of its target; see ``relative_time``."""
        other = Measured(self._float_file(path.suffix.lstrip(".")), self._original.contract)
        return relative_time(checkpoint, path, other)

    def _float_file(self, name: str) -> Path:
        if name not in self._files:
            folder = self._work / f"original-{name}"
            folder.mkdir()
            target, recipe = open_target(name), Recipe.parse(_FLOAT, name)
            model = target.export(self._original, folder)
            made = quantized(
                self._original, target, model, recipe, {}, CalibrationText.builtin(),
                Progress.silent(), folder,
            )  # fmt: skip
            (folder / "file").mkdir()
            [file] = write_recipe(self._original, target, model, recipe, made, folder / "file", {})
            self._files[name] = file.path
        return self._files[name]


def relative_time(checkpoint: Checkpoint, path: Path, other: Measured) -> RelativeTime:
    """A file against another: one call, batch 1, one thread.

    Args:
      checkpoint: the file's; both files get the ids that its tokenizer gives.
      path: .onnx or .tflite.
      other: of the same target and inputs.
    """
    contract = checkpoint.contract
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, contract)
    cases = checkpoint.judged_examples(builtin_cases(contract))
    cased = get_task(contract.task).prepare(cases, contract, tokenizer)
    longest = max(len(row["input_ids"]) for row in cased)
    length = next((n for n in LENGTHS if n <= longest), longest)
    rows = real_rows(cased, [length], contract)
    file = Measured(path, contract)
    found = compare_pair(file, other, rows, Profile("sweep"), _PROCESSES, _ROUNDS)
    tokens, ratio = list(found.lengths.items())[-1]  # of a generating file: decoding
    return RelativeTime(tokens, ratio.estimate, ratio.low, ratio.high)
