"""A TensorFlow or Keras source becomes a Checkpoint: contract, cases, float graphs, parameters."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edgekit.converters.foreign.constants import Adopted, Variables, merge_parameters
from edgekit.converters.foreign.contract import (
    ForeignOptions,
    contract_of,
    picture_notes,
    problem_type,
    spec_of,
)
from edgekit.converters.sources.checkpoint import Checkpoint, reference_outputs
from edgekit.converters.tensorflow.client import ForeignModel, open_foreign

from edgekit.contract import Contract
from edgekit.errors import CheckpointError
from edgekit.parity.golden import Golden, make_golden
from edgekit.runtime.session import Inputs, Outputs, Session
from edgekit.tasks.array_cases import generated_cases
from edgekit.tasks.base import Example
from edgekit.tasks.builtin_cases import builtin_cases
from edgekit.tasks.examples import read_examples
from edgekit.tasks.registry import get_task

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ForeignCheckpoint(Checkpoint):
    """A source whose own framework runs and converts it, in a child process.

    Attributes:
      foreign: the running source.
    """

    foreign: ForeignModel = field(kw_only=True)

    def session(self) -> Session:
        """The signature itself, float32."""
        return ForeignSession(self.foreign)


class ForeignSession:
    """A source in its child process behind the runtimes' seam."""

    buckets: tuple[int, ...] = ()

    def __init__(self, foreign: ForeignModel) -> None:
        self._foreign = foreign

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """See ``Session.run``."""
        return self._foreign.run(inputs)


def load_foreign(
    foreign: ForeignModel, name: str, options: ForeignOptions, cases: Path | None
) -> tuple[ForeignCheckpoint, list[Example]]:
    """What is known before anything is converted: the contract, and the cases.

    Args:
      foreign: an open source.
      name: for manifest and messages.
      options: what the user says of it.
      cases: .npz file, or pictures; generated or drawn ones when None.
    Raises:
      UsageError: a task that the outputs do not fit, or labels that are too many or too few.
      CasesError: see ``read_examples``.
    """
    contract = contract_of(foreign, options)
    notes = list(foreign.notes)
    if cases is not None:
        examples = read_examples(cases, contract)
    elif contract.input_kind == "image":
        examples = builtin_cases(contract)
    else:
        examples = generated_cases(contract, _ids_below(foreign, contract))
        notes.append(
            f"judged on {len(examples)} generated inputs, which are random numbers: give real ones "
            "with --cases FILE.npz"
        )
    notes += picture_notes(contract, options, cases)
    contract = replace(contract, problem_type=problem_type(foreign, contract, examples))
    source = {
        **foreign.source,
        "name": name,
        "signature": foreign.signature,
        "reference": f"float32, {foreign.route}, CPU",
        "notes": notes,
    }
    checkpoint = ForeignCheckpoint(
        name=name,
        contract=contract,
        source=source,
        tokenizer_json="",
        parameters=foreign.variables,
        module=None,
        model=None,
        folder=Path(),
        foreign=foreign,
    )
    return checkpoint, examples


def convert_foreign(
    checkpoint: ForeignCheckpoint, targets: Sequence[str], folder: Path
) -> ForeignCheckpoint:
    """Let the source's framework write each target's float graph, and adopt it.

    Args:
      checkpoint: what ``load_foreign`` gave.
      targets: "onnx", "tflite".
      folder: where the graphs lie.
    """
    foreign = checkpoint.foreign
    variables = Variables(foreign.variables)
    adopted: list[tuple[str, Adopted]] = []
    for target in targets:
        raw, path = folder / f"raw.{target}", folder / f"float.{target}"
        foreign.convert(target, raw)  # type: ignore[arg-type]
        adopted.append(
            (target, _adopter(target)(raw, path, variables, _again(foreign, target, raw)))
        )
    graphs, parameters = merge_parameters(adopted)
    notes = list(checkpoint.source["notes"])
    notes += [
        f"{target}: {len(found.folded)} constants are products of several variables (norms folded "
        "into weights, say); their values are the converter's"
        for target, found in adopted
        if found.folded
    ]
    notes += [note for target, found in adopted for note in _float_note(target, found)]
    source = {**checkpoint.source, "notes": notes}
    return replace(checkpoint, parameters=parameters, source=source, graphs=graphs)


def open_source_file(path: Path, scratch: Path, options: ForeignOptions) -> ForeignModel:
    """Start the source's child process; see ``open_foreign``."""
    return open_foreign(path, scratch, options.signature, options.custom_objects)


def golden_of(
    path: Path, contract: Contract, examples: Sequence[Example], options: ForeignOptions
) -> Golden:
    """What a source gives for some examples, under a folder's contract.

    The folder's own sketches stand for its weights: what a converter folded has none in the source.

    Args:
      path: SavedModel folder or Keras file.
      contract: of the exported folder.
      examples: arrays.
      options: signature and the user's layers.
    Raises:
      CheckpointError: no signature has the contract's inputs and outputs.
    """
    with (
        tempfile.TemporaryDirectory(prefix="edgekit-") as scratch,
        open_source_file(path, Path(scratch), options) as foreign,
    ):
        made = tuple(map(spec_of, foreign.inputs)), tuple(map(spec_of, foreign.outputs))
        if made != (contract.inputs, contract.outputs):
            raise CheckpointError(
                f"'{path.name}' has other inputs or outputs than the folder's source had.",
                "give the model that was exported with --reference.",
            )
        rows = get_task(contract.task).prepare(examples, contract, None)
        outputs = reference_outputs(ForeignSession(foreign), rows, contract)
    return make_golden(examples, rows, outputs, contract, {})


def _adopter(target: str) -> Callable[[Path, Path, Variables, Callable[[], Path]], Adopted]:
    if target == "onnx":
        from edgekit.converters.foreign.onnx_graph import adopt_onnx

        return adopt_onnx
    from edgekit.converters.foreign.tflite_graph import adopt_tflite

    return adopt_tflite


def _again(foreign: ForeignModel, target: str, raw: Path) -> Callable[[], Path]:
    def convert() -> Path:
        rng = np.random.default_rng(1)
        values = {
            name: rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
            for name, value in foreign.variables.items()
        }
        other = raw.with_stem("other")
        foreign.convert(target, other, values)  # type: ignore[arg-type]
        return other

    return convert


def _float_note(target: str, found: Adopted) -> list[str]:
    """What no kernel takes as codes is told when it is a real share of the weights."""
    sizes = {name: value.size for name, value in found.parameters.items()}
    kept = {
        b.parameter: sizes[b.parameter]
        for b in found.graph.bindings
        if b.role == "vector" and found.parameters[b.parameter].ndim > 1
    }
    share = sum(kept.values()) / max(1, sum(sizes.values()))
    if share < 0.01:
        return []
    largest = max(kept, key=lambda name: kept[name])
    return [
        f"{target}: {share:.0%} of the weights (the largest: {largest}) are read by operators that "
        "take no codes, and stay float32 in every recipe"
    ]


def _ids_below(foreign: ForeignModel, contract: Contract) -> int:
    """A number below which every integer input is a row of every table."""
    if all(np.issubdtype(np.dtype(spec.dtype), np.floating) for spec in contract.inputs):
        return 2
    tables = [
        value.shape[0]
        for name, value in foreign.variables.items()
        if value.ndim == 2 and "embed" in name.lower()
    ]
    lengths = {int(n) for spec in contract.inputs for n in spec.shape[1:]}
    # a table with a row for each position is looked up by position
    return min([rows for rows in tables if rows not in lengths], default=2)
