"""The order of an explanation: the file's weights, the shares, the blocks, the matrices."""

from __future__ import annotations

from edgekit.converters.explain.blocks import explain_blocks, find_blocks
from edgekit.converters.explain.effective import Effective, effective_weights_of
from edgekit.converters.explain.matrices import TEXTS, Matrices
from edgekit.converters.explain.result import TRUSTED, Explanation, Shares
from edgekit.converters.explain.simulate import Doubles, Simulation, Variant
from edgekit.converters.explain.subject import Subject
from edgekit.converters.held_out import HeldOut
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.parity.metrics import bootstrap
from edgekit.progress import Progress


def explain_file(
    subject: Subject, checkpoint: Checkpoint, symmetric: bool, texts: int, progress: Progress
) -> Explanation:
    """Explain one file that holds codes.

    Args:
      subject: the file.
      checkpoint: its source, with the folder's length in its contract.
      symmetric: the target's ``symmetric_activations``.
      texts: how many of the built-in evaluation texts, which no calibration reads.
      progress: where stages are told.
    Raises:
      ArtifactError: the file is damaged.
      WorkerDied: the runtime cannot run it.
    """
    progress.stage("read weights")
    effective = effective_weights_of(subject.path, subject.stored(), checkpoint.parameters)
    progress.stage("source outputs")
    held = HeldOut.builtin(checkpoint, "all", texts)
    simulation = Simulation(checkpoint, effective, symmetric, held)
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
    matrices = Matrices(
        checkpoint, subject.entry.target, symmetric, subject.recipe.method,
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
        notes=(*subject.notes, *_notes(shares)),
    )


def nothing_to_explain(subject: Subject) -> Explanation:
    """What is said of a file without codes."""
    entry = subject.entry
    return Explanation(
        entry.path, entry.recipe, entry.target, entry.size_bytes,
        str(subject.manifest.source["name"]), 0, None, (), (), subject.notes,
    )  # fmt: skip


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


def _notes(shares: Shares) -> list[str]:
    notes = [
        f"codes of more bits were made on {TEXTS} texts or none: an export that calibrates anew "
        "wins at least as much"
    ]
    if shares.missed > TRUSTED:
        notes.insert(
            0,
            f"the simulation is {shares.missed:.0%} of the loss away from the file itself: take "
            "what follows as a hint",
        )
    return notes
