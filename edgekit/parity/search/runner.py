"""Who answers a search's inputs: a file in a process that stays open, or the source in torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import UsageError
from edgekit.parity.worker import WorkerDied, last_words
from edgekit.runtime.cpu_level import check_level
from edgekit.runtime.session import Session
from edgekit.runtime.tokenizer import Ids, pad_batch
from edgekit.tasks import get_task
from edgekit.tasks.base import judged_rows, split_rows

#: judged rows of one example by output name, float32 [m, d]
Answer = dict[str, npt.NDArray[np.float32]]

#: rows of one call, and the most tokens in it
BATCH_ROWS, BATCH_TOKENS = 32, 4096


class Runner(Protocol):
    """Something that answers inputs."""

    @property
    def cpu(self) -> float:
        """CPU seconds of other processes than this one, so far."""
        ...

    def run(self, rows: Sequence[Ids], width: int = 0) -> list[Answer]:
        """Judged rows of each example.

        Args:
          rows: unpadded inputs.
          width: 0 to run examples of equal length together, without padding; 1 one at a time;
            larger values pad each, alone, to that many tokens; -1 pads mixed lengths in batches
            of eight, in the order given.
        Raises:
          WorkerDied: the runtime crashed or refused the file.
        """
        ...


def run_rows(
    session: Session, contract: Contract, rows: Sequence[Ids], width: int = 0
) -> list[Answer]:
    """Run examples on an open session; see ``Runner.run``."""
    task = get_task(contract.task)
    answers: list[Answer] = [{} for _ in rows]
    for chunk in _chunks([len(row["input_ids"]) for row in rows], width):
        given = [rows[i] for i in chunk]
        batch = pad_batch(given, contract, width if width > 1 else None)
        judged = judged_rows(task, session.run(batch), given, contract)
        for i, answer in zip(chunk, split_rows(task, judged, given, contract), strict=True):
            answers[i] = answer
    return answers


def _chunks(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Which examples are run together."""
    if width >= 1:
        return [[i] for i in range(len(lengths))]
    if width < 0:
        return [list(range(i, min(i + 8, len(lengths)))) for i in range(0, len(lengths), 8)]
    by_length: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        by_length.setdefault(length, []).append(i)
    chunks = []
    for length, members in sorted(by_length.items()):
        size = max(1, min(BATCH_ROWS, BATCH_TOKENS // length))
        chunks += [members[i : i + size] for i in range(0, len(members), size)]
    return chunks


class SourceRunner:
    """A session of this process: the checkpoint in torch."""

    def __init__(self, session: Session, contract: Contract) -> None:
        self._session, self._contract = session, contract

    @property
    def cpu(self) -> float:
        """None: this process's own time is the clock's."""
        return 0.0

    def run(self, rows: Sequence[Ids], width: int = 0) -> list[Answer]:
        """See ``Runner.run``."""
        return run_rows(self._session, self._contract, rows, width)


class FileRunner:
    """A file in a fresh process that answers until it is closed: the runtime is loaded once.

    Args:
      path: the model file.
      contract: its contract.
      level: CPU level, see ``edgekit.runtime.cpu_level``.
    """

    def __init__(self, path: Path, contract: Contract, level: str = "native") -> None:
        check_level(level)
        self._path, self._contract, self._level = path, contract, level
        self._scratch = tempfile.TemporaryDirectory(prefix="edgekit-")
        self._process: subprocess.Popen[str] | None = None
        self._spent = self._current = 0.0

    @property
    def cpu(self) -> float:
        """CPU seconds of its processes so far, loading included."""
        return self._spent + self._current

    def __enter__(self) -> FileRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._scratch.cleanup()

    def run(self, rows: Sequence[Ids], width: int = 0) -> list[Answer]:
        """See ``Runner.run``."""
        if not rows:
            return []
        folder = Path(self._scratch.name)
        inputs, out = folder / "inputs.npz", folder / "out.npz"
        job = {
            "path": str(self._path.resolve()),
            "contract": self._contract.to_json(),
            "level": self._level,
            "width": width,
            "inputs": str(inputs),
            "out": str(out),
        }
        lengths = np.array([len(row["input_ids"]) for row in rows])
        flat = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        np.savez(inputs, **{"lengths": lengths, **flat})  # type: ignore[arg-type]
        process = self._open()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.startswith("done "):
            raise self._died(process)
        self._current = float(line.split()[1])
        with np.load(out, allow_pickle=False) as data:
            ends = np.cumsum(data["counts"])[:-1]
            parts = {n: np.split(data[n], ends) for n in data.files if n != "counts"}
        return [{name: part[i] for name, part in parts.items()} for i in range(len(rows))]

    def _open(self) -> subprocess.Popen[str]:
        if self._process is None:
            errors = (Path(self._scratch.name) / "stderr.txt").open("w", encoding="utf-8")
            with errors:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "edgekit.parity.search.server"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                )  # fmt: skip
        return self._process

    def _died(self, process: subprocess.Popen[str]) -> Exception:
        """The error that the process's end stands for; the next ``run`` starts another."""
        code = process.wait()
        self._end()
        text = (Path(self._scratch.name) / "stderr.txt").read_text("utf-8", "replace")
        message, hint = last_words(text)
        if code == 2:
            return UsageError(message, hint)
        if code < 0:
            return WorkerDied(f"the runtime died on signal {-code}.", "")
        return WorkerDied(f"the runtime failed: {message}", "")

    def _end(self) -> None:
        self._spent, self._current = self._spent + self._current, 0.0
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait()
            self._process = None
