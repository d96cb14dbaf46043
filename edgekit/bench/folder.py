"""A file or a whole folder under one profile: results, ratios, and what to be warned of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.bench.bandwidth import read_bandwidth
from edgekit.bench.memory import memory_group
from edgekit.bench.pairs import PROCESSES, PairResult, compare_pair
from edgekit.bench.phases import split_key, told
from edgekit.bench.processes import Measured
from edgekit.bench.profiles import Profile
from edgekit.bench.rates import token_rates, weight_bytes
from edgekit.bench.run import BenchResult, bench_file, real_rows
from edgekit.bench.stats import SLOWER
from edgekit.contract import Contract
from edgekit.errors import ArtifactError, UsageError
from edgekit.manifest import GOLDEN_NAME, MANIFEST_NAME, FileEntry, Manifest
from edgekit.parity.golden import Golden
from edgekit.progress import Progress
from edgekit.runtime.cpu_level import check_level
from edgekit.runtime.rows import Row, row_length
from edgekit.runtime.session import target_of

#: measured where none are asked for, as far as the model's text reaches
LENGTHS = (32, 128)
#: fresh processes for one file's figures
FILE_PROCESSES = 3
#: medians of two runs differ by that much when nothing changed; above it a pair is run in turn
SUSPICION = 0.03

Confirm = Callable[[str, str, str], "tuple[str, float]"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be measured.

    Attributes:
      folder: the exported folder.
      contract: of all its files.
      files: the manifest's entries of those that were named.
      rows: length -> inputs.
    """

    folder: Path
    contract: Contract
    files: tuple[FileEntry, ...]
    rows: dict[str, Row]

    def measured(self, name: str) -> Measured:
        """One of its files."""
        return Measured(self.folder / name, self.contract)


def read_subject(path: Path, lengths: Sequence[int] | None) -> Subject:
    """The files that a path names, and real inputs for them.

    Args:
      path: an exported folder, or one of its files.
      lengths: tokens, each of which must be had; ``LENGTHS`` as far as they can be when None.
    Raises:
      ArtifactError: the folder or file is missing or not listed.
      UsageError: no text is that long.
    """
    folder = path if path.is_dir() else path.parent
    manifest = Manifest.read(folder)
    files = tuple(f for f in manifest.files if path.is_dir() or f.path == path.name)
    if not files:
        raise ArtifactError(f"'{path.name}' is not listed in the manifest.", "export again.")
    contract = manifest.contract
    if contract.input_kind != "text" and lengths:
        raise UsageError(f"'{folder}' takes no text, so it has no --lengths.", "leave them out.")
    golden = Golden.load(folder / GOLDEN_NAME, contract).rows
    rows = real_rows(golden, lengths or LENGTHS, contract)
    had = {split_key(name)[1] for name in rows} if contract.input_kind == "text" else set()
    missing = [n for n in lengths or () if n not in had]
    longest = max(row_length(row, contract) for row in golden)
    if missing or not rows:
        raise UsageError(
            f"no text of {missing[0] if missing else LENGTHS[0]} tokens: the longest case of"
            f" '{folder}' has {longest}, text is cut at {manifest.contract.max_length}.",
            f"choose --lengths of {longest} or less.",
        )
    return Subject(folder, manifest.contract, files, rows)


def other_file(path: Path, contract: Contract) -> Measured:
    """The file of ``--vs``: with the contract of its own folder, else that of the measured file.

    Raises:
      ArtifactError: there is no such file.
      UsageError: neither .onnx nor .tflite.
    """
    if not path.is_file():
        raise ArtifactError(f"'{path}' does not exist.", "name an .onnx or .tflite file.")
    target_of(path)
    if (path.parent / MANIFEST_NAME).is_file():
        contract = Manifest.read(path.parent).contract
    return Measured(path, contract)


def bench_subject(
    subject: Subject,
    profile: Profile,
    processes: int | None = None,
    vs: Path | None = None,
    progress: Progress | None = None,
) -> list[BenchResult]:
    """Measure every file under the profile.

    Args:
      subject: the files.
      profile: the conditions.
      processes: of each measurement; 3 for a file's own figures and 8 for a ratio when None.
      vs: a file that all are compared with; itself excepted.
      progress: told of each file.
    Returns:
      one result per file, in the manifest's order, with ratios and warnings.
    Raises:
      MachineError: level or limit are not to be had here (the limit is proved by a probe first).
      UsageError: see ``compare_pair``.
    """
    progress = progress or Progress.silent()
    check_level(profile.level)
    other = None if vs is None else other_file(vs, subject.contract)
    bandwidth = 0.0
    if subject.contract.generation is not None:
        progress.stage("memory bandwidth")
        bandwidth = read_bandwidth(profile.threads)
    limited = memory_group(profile.memory_mb) if profile.memory_mb else contextlib.nullcontext()
    results = []
    with limited as group:
        for entry in subject.files:
            progress.stage(f"measure {entry.path}")
            file = subject.measured(entry.path)
            result = bench_file(
                file.path, file.contract, subject.rows, processes or FILE_PROCESSES,
                profile=profile, group=group, cold_start=True,
            )  # fmt: skip
            results.append(_with_rates(result, entry, subject.contract, profile, bandwidth))
    for place, result in enumerate(results):
        file = subject.measured(result.path)
        if other is None or not result.fits or file.path.resolve() == other.path.resolve():
            continue
        progress.stage(f"{result.path} against {other.path.name}")
        ratio = compare_pair(file, other, subject.rows, profile, processes or PROCESSES)
        results[place] = replace(result, ratio=ratio.to_json())
    pairs: dict[tuple[str, str], PairResult] = {}

    def confirm(small: str, large: str, length: str) -> tuple[str, float]:
        if (small, large) not in pairs:
            progress.stage(f"{small} against {large}")
            files = subject.measured(small), subject.measured(large)
            pairs[small, large] = compare_pair(*files, subject.rows, profile)
        found = pairs[small, large].lengths[length]
        return found.verdict, found.estimate

    results = add_warnings(results, confirm)
    progress.done()
    return results


def _with_rates(
    result: BenchResult, entry: FileEntry, contract: Contract, profile: Profile, bandwidth: float
) -> BenchResult:
    """Tokens a second, where the file generates and was measured."""
    if contract.generation is None or not result.fits:
        return result
    weights = weight_bytes(entry.tensors)
    rates = token_rates(result.lengths, profile.threads, weights, contract.generation, bandwidth)
    made = {"bandwidth": bandwidth, "weight_bytes": weights, "rates": rates}
    # with the second file of an encoder-decoder
    return replace(result, generation=made, size_bytes=entry.size_bytes)


def add_warnings(results: Sequence[BenchResult], confirm: Confirm) -> list[BenchResult]:
    """Warn of each file that is slower than a larger one of the same runtime.

    Medians of different processes only raise the suspicion; files run in turn decide.

    Args:
      results: of one machine and profile.
      confirm: (smaller, larger, length) -> verdict and ratio of the smaller's time to the larger's.
    """
    warned = []
    for small in results:
        texts = []
        for length, times in small.lengths.items():
            larger = [
                r
                for r in results
                if r.size_bytes > small.size_bytes
                and length in r.lengths
                and Path(r.path).suffix == Path(small.path).suffix
            ]
            if not larger:
                continue
            fastest = min(larger, key=lambda r: r.lengths[length]["cpu_p50"])
            if times["cpu_p50"] <= fastest.lengths[length]["cpu_p50"] * (1 + SUSPICION):
                continue
            verdict, ratio = confirm(small.path, fastest.path, length)
            if verdict == SLOWER:
                texts.append(
                    f"{small.path} is smaller than {fastest.path}"
                    f" ({small.size_bytes / 1e6:.1f} against {fastest.size_bytes / 1e6:.1f} MB) but"
                    f" slower at {told(length)} on level {small.machine['level']}:"
                    f" {ratio:.2f} times its CPU time"
                )
        warned.append(replace(small, warnings=(*small.warnings, *texts)) if texts else small)
    return warned
