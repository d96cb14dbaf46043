"""The order of an explanation: the file's weights, the shares, the blocks, the matrices."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.converters.explain.blocks import explain_blocks, find_blocks
from edgekit.converters.explain.effective import Effective, effective_weights_of
from edgekit.converters.explain.matrices import Matrices
from edgekit.converters.explain.result import TRUSTED, Explanation, Matrix, Shares
from edgekit.converters.explain.simulate import Doubles, Simulation, Variant
from edgekit.converters.explain.subject import Subject
from edgekit.converters.held_out import HeldOut
from edgekit.converters.quantize.texts import CalibrationText, builtin_texts
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.parity.metrics import bootstrap
from edgekit.progress import Progress


def explain_file(
    subject: Subject,
    checkpoint: Checkpoint,
    texts: int,
    progress: Progress,
    notes: Sequence[str] = (),
) -> Explanation:
    """Explain one file that holds codes.

    Args:
      subject: the file.
      checkpoint: its source, with the folder's length in its contract.
      texts: how many of the built-in evaluation texts, which no calibration reads.
      progress: where stages are told.
      notes: what else is to be said.
    Raises:
      ArtifactError: the file is damaged.
      WorkerDied: the runtime cannot run it.
    """
    progress.stage("read weights")
    effective = effective_weights_of(subject.path, subject.stored(), checkpoint.parameters)
    progress.stage("source outputs")
    held = HeldOut.builtin(checkpoint, "all", texts)
    simulation = Simulation(checkpoint, effective, held)
    full = Variant.of(effective, effective.values, effective.zero_points)
    progress.stage("shares")
    base = simulation.cosines(full)
    shares = _shares(subject, effective, simulation, base)
    progress.stage("blocks")
    blocks = explain_blocks(simulation, checkpoint.model, effective, full, base)
    progress.stage("matrices")
    block_of = {
        parameter: place.name
        for place in find_blocks(checkpoint.model)
        for parameter in place.parameters
    }
    text = _calibration_text(subject)
    matrices = Matrices(
        checkpoint, subject.entry.target, subject.recipe.method, text,
        effective, simulation, full, base,
    ).measure(block_of)  # fmt: skip
    progress.done()
    return Explanation(
        file=subject.entry.path,
        recipe=subject.entry.recipe,
        target=subject.entry.target,
        size_bytes=subject.entry.size_bytes,
        source=checkpoint.name,
        texts=len(held.rows),
        shares=shares,
        blocks=tuple(blocks),
        matrices=tuple(matrices),
        notes=(*subject.notes, *notes, *_notes(shares, matrices, text)),
    )


def _shares(
    subject: Subject, effective: Effective, simulation: Simulation, base: Doubles
) -> Shares:
    tables = {n for n in effective.quantized if effective.stored[n].role in ("table", "tied")}
    matrices = set(effective.values) - tables

    def loss(variant: Variant) -> float:
        return float(1 - simulation.cosines(variant).mean())

    return Shares(
        matrices=loss(Variant.of(effective, matrices, ())),
        tables=loss(Variant.of(effective, tables, ())),
        activations=loss(Variant.of(effective, (), effective.zero_points)),
        all=float(1 - base.mean()),
        simulated=bootstrap(base, simulation.held.owner),
        file=simulation.held.measure(subject.path),
    )


def _calibration_text(subject: Subject) -> CalibrationText:
    """The built-in text, as much of it as the export read; a user's own is not in the folder."""
    read = subject.entry.calibration
    if read.get("name") == "built-in" and type(read.get("texts")) is int:
        return CalibrationText("built-in", builtin_texts(read["texts"]))
    return CalibrationText.builtin()


def _notes(shares: Shares, matrices: Sequence[Matrix], text: CalibrationText) -> list[str]:
    notes = []
    if any(matrix.raises for matrix in matrices):
        notes.append(
            "what more bits win is a lower bound: codes were made without text (mse, rtn) or on "
            f"{len(text.texts)} built-in texts (other methods), and nothing else was made anew"
        )
    if shares.missed > TRUSTED:
        notes.insert(
            0,
            f"the simulation is {shares.missed:.0%} of the loss away from the file itself: take "
            "what it says of blocks and matrices as a hint",
        )
    return notes
