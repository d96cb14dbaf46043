"""A written file is audited and run in a fresh process, here and on weaker instruction sets."""

from __future__ import annotations

from typing import Any

from edgekit.converters.float_model import Target, WrittenFile
from edgekit.converters.notes import file_notes
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.audit import audit_file
from edgekit.bench.run import bench_file, real_rows
from edgekit.manifest import FileEntry, part_entries, sha256_file
from edgekit.parity.golden import Golden
from edgekit.parity.validate import FileVerdict
from edgekit.parity.verdict import FileParity, judge
from edgekit.parity.worker import WorkerDied, run_file
from edgekit.recipe import Recipe
from edgekit.runtime.cpu_level import is_available

#: instruction sets on which a file with integer products is run at export, beside this machine's
CHECKED_LEVELS = ("avx2",)
#: tokens at which the first latency is measured
LATENCY_LENGTHS = (32, 128)


def verify(
    file: WrittenFile, target: Target, recipe: Recipe, golden: Golden, checkpoint: Checkpoint
) -> FileVerdict:
    """Audit a written file and run it in a fresh process, here and on weaker instruction sets."""
    audit = audit_file(file.path, recipe, file.stored, golden.sketches, derived=file.derived)
    parity = _parity(file, target, recipe, golden, checkpoint, "native")
    problems = [*audit.problems, *parity.failures]
    levels = {}
    if recipe.int8_activations:
        for level in CHECKED_LEVELS:
            levels[level] = _level(file, target, recipe, golden, checkpoint, level, parity)
            if levels[level].get("failures"):
                problems += [f"on {level}: {text}" for text in levels[level]["failures"]]
    latency: dict[str, Any] = {}
    if not parity.crash:
        rows = real_rows(golden.rows, LATENCY_LENGTHS, checkpoint.contract)
        result = bench_file(
            file.path, checkpoint.contract, rows, processes=1, rounds=15, weight_cache=False
        )
        latency = {n: {"cpu_ms": v["cpu_p50"], "p50_ms": v["p50"]}
                   for n, v in result.lengths.items()}  # fmt: skip
    entry = FileEntry(
        path=file.path.name,
        target=target.name,
        recipe=str(recipe),
        size_bytes=sum(path.stat().st_size for path in (file.path, *file.parts)),
        sha256=sha256_file(file.path),
        effective_bits=round(audit.effective_bits, 4),
        audit=audit.to_json(),
        tensors=[tensor.to_json() for tensor in file.stored],
        parity=parity.to_json(),
        cpu_levels=levels,
        latency=latency,
        notes=file_notes(target, recipe, audit),
        parts=part_entries(file.parts),
    )
    return FileVerdict(entry, tuple(problems), parity, audit)


def _parity(
    file: WrittenFile,
    target: Target,
    recipe: Recipe,
    golden: Golden,
    checkpoint: Checkpoint,
    level: str,
) -> FileParity:
    contract = checkpoint.contract
    try:
        modes = run_file(file.path, golden.rows, contract, level)
    except WorkerDied as died:
        return FileParity({}, (), died.message)
    return judge(
        modes,
        golden.outputs,
        contract,
        recipe,
        target.name,
        golden.rows,
        decisions=golden.decisions,
    )


def _level(
    file: WrittenFile,
    target: Target,
    recipe: Recipe,
    golden: Golden,
    checkpoint: Checkpoint,
    level: str,
    native: FileParity,
) -> dict[str, Any]:
    """Parity on a weaker instruction set, and what it costs against this machine's."""
    if not is_available():
        return {"available": False}
    parity = _parity(file, target, recipe, golden, checkpoint, level)
    result: dict[str, Any] = {"available": True, "failures": parity.failures}
    if not parity.crash and not native.crash:
        here, there = native.metrics["alone"], parity.metrics["alone"]
        result |= {
            "cosine_mean": there["cosine_mean"],
            "cosine_loss": here["cosine_mean"] - there["cosine_mean"],
            "rms_rel": there["rms_rel"],
        }
        if "top1" in there:
            result["top1"] = there["top1"]
    return result
