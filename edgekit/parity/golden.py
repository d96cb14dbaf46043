"""golden.npz: examples, their inputs, reference outputs, weight sketches. Arrays, never pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.audit.sketch import Sketch, from_arrays, to_arrays
from edgekit.contract import Contract
from edgekit.errors import ArtifactError, CasesError, InternalError, first_line
from edgekit.manifest import CHAT_NAME, GOLDEN_NAME, TOKENIZER_NAME, Manifest, sha256_file
from edgekit.parity.cached import positions_of
from edgekit.parity.golden_rows import pack_rows, unpack_rows
from edgekit.parity.source_check import check_source
from edgekit.runtime.rows import Row
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.tasks import Decision, Example, get_task
from edgekit.tasks.base import row_counts
from edgekit.tasks.next_token import NextTokenTask


@dataclass(frozen=True, slots=True)
class Golden:
    """What a folder carries to be re-checked without its source.

    Attributes:
      examples: the texts, or what else the contract's inputs are made of.
      rows: their inputs, unpadded.
      outputs: the source's outputs in float32, judged rows [m, d] each (``edgekit.tasks.base``).
      decisions: the source's decision of each example, empty where the task has none.
      sketches: of the source's parameters.
    """

    examples: tuple[Example, ...]
    rows: tuple[Row, ...]
    outputs: Mapping[str, npt.NDArray[np.float32]]
    decisions: tuple[Decision, ...]
    sketches: Mapping[str, Sketch]

    def save(self, path: Path, contract: Contract) -> None:
        """Write golden.npz; the same content gives the same bytes."""
        arrays = pack_rows(self.examples, self.rows, contract)
        arrays |= {
            "decisions": np.array([unit for d in self.decisions for unit in d], np.str_),
            "decision_counts": np.array([len(d) for d in self.decisions], np.int64),
        }
        for name, value in self.outputs.items():
            arrays[f"output.{name}"] = value
        arrays.update(to_arrays(self.sketches))
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path, contract: Contract) -> Golden:
        """Read golden.npz.

        Raises:
          ArtifactError: missing, damaged, or holding anything but plain arrays.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                return _from_arrays({name: data[name] for name in data.files}, contract)
        except FileNotFoundError:
            raise ArtifactError(f"'{path}' is missing.", "export the model again.") from None
        except Exception as error:  # zipfile, zlib and numpy fail with whatever they meet
            raise ArtifactError(
                f"'{path}' is damaged ({first_line(error)}).", "export the model again."
            ) from error

    def tokenizer_problem(self, tokenizer: TextTokenizer, contract: Contract) -> str | None:
        """Whether the folder's tokenizer still gives the golden ids: one sentence, or None."""
        found = get_task(contract.task).prepare(list(self.examples), contract, tokenizer)
        for example, expected, got in zip(self.examples, self.rows, found, strict=True):
            for name, ids in expected.items():
                if not np.array_equal(ids, got.get(name, np.zeros(0))):
                    return f"tokenizer: {name} of {example.text[:40]!r} differ from the export's"
        return None


def read_golden(folder: Path) -> Golden:
    """An exported folder's golden arrays, unchecked against its manifest.

    Raises:
      ArtifactError: manifest or golden.npz is missing or damaged.
    """
    return Golden.load(folder / GOLDEN_NAME, Manifest.read(folder).contract)


def open_golden(folder: Path, manifest: Manifest) -> tuple[Golden, list[str]]:
    """A folder's golden arrays, their bytes and the tokenizer's held against the manifest.

    Returns:
      the arrays, and what is wrong with the tokenizer (it gives other ids): one sentence each.
    Raises:
      ArtifactError: golden.npz, tokenizer.json or the chat template is missing, changed or damaged.
    """
    text = manifest.contract.input_kind == "text"
    carried = {GOLDEN_NAME, *((TOKENIZER_NAME,) if text else ())}
    if manifest.contract.generation is not None and manifest.contract.generation.chat:
        carried.add(CHAT_NAME)
    for name in sorted(carried):
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"'{path}' is missing.", "export the model again.")
        if sha256_file(path) != manifest.golden.get(name):
            raise ArtifactError(
                f"'{path}' was changed: its sha256 differs from the manifest's.", "export again."
            )
    golden = Golden.load(folder / GOLDEN_NAME, manifest.contract)
    if not text:
        return golden, []
    tokenizer = TextTokenizer.from_folder(folder, manifest.contract)
    problem = golden.tokenizer_problem(tokenizer, manifest.contract)
    return golden, [problem] if problem else []


def _from_arrays(data: Mapping[str, npt.NDArray[Any]], contract: Contract) -> Golden:
    examples, rows = unpack_rows(data, contract)
    outputs = {
        name.removeprefix("output."): np.asarray(value, np.float32)
        for name, value in data.items()
        if name.startswith("output.")
    }
    if not outputs:
        raise ValueError("it holds no outputs")
    return Golden(examples, rows, outputs, _decisions(data), from_arrays(data))


def _decisions(data: Mapping[str, npt.NDArray[Any]]) -> tuple[Decision, ...]:
    units = [str(d) for d in data["decisions"]]
    # the first folders had one unit per example and no counts
    counts = data.get("decision_counts", np.ones(len(units), np.int64))
    if counts.ndim != 1 or counts.min(initial=0) < 0:
        raise ValueError("its decision counts are no counts")
    ends = np.cumsum(counts)
    if len(units) != (ends[-1] if len(ends) else 0):
        raise ValueError("decisions and their counts contradict each other")
    return tuple(tuple(units[end - n : end]) for n, end in zip(counts, ends, strict=True))


def make_golden(
    examples: Sequence[Example],
    rows: Sequence[Row],
    outputs: Mapping[str, npt.NDArray[np.float32]],
    contract: Contract,
    sketches: Mapping[str, Sketch],
) -> Golden:
    """Put together what ``Golden`` holds, with the source's decisions.

    Raises:
      CasesError: nothing in the cases can be judged.
      CheckpointError: a language model that gives no numbers, or the same whatever it reads.
    """
    task = get_task(contract.task)
    found = sum(row_counts(task, rows, contract))
    if not found:
        raise CasesError(
            f"none of the {len(rows)} cases has a token that {contract.task} is judged on.",
            "give texts with words.",
        )
    if any(len(value) != found for value in outputs.values()):
        raise InternalError(f"{found} judged rows are expected of the source")
    if isinstance(task, NextTokenTask):
        check_source(outputs, positions_of(task, rows, contract))
    decisions = task.decisions(outputs, rows, contract) or []
    return Golden(tuple(examples), tuple(rows), dict(outputs), tuple(decisions), dict(sketches))
