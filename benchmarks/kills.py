"""Exports killed at random moments: nothing half done looks finished, and every rerun works.

usage: python benchmarks/kills.py [--kills 200] [--interrupts 24] [--seed 0] [--print]

The heavy packages are imported once; each export is the real command in a fork of that process.
Moments are spread evenly over the stages: a stage is drawn, then a random share of the time that
it takes. Every third export replaces an existing folder with --force.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from common import ROOT, load, save

from edgekit.report.terminal import print_table

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")

#: no export of the tiny model takes longer on a busy machine; one that does hangs
DEADLINE = 240.0
#: workers of a killed export end by themselves within this many seconds
ORPHANS = 60.0
#: what may lie beside the output folder after a kill; a rerun clears it
HIDDEN = {".out.edgekit", ".out.edgekit-old", ".out.edgekit-lock"}
#: kills between two full reruns
RERUN_EVERY = 20

_LINE = re.compile(r"^\[ *[\d.]+ s\] (.+) \([\d.]+ s\)$", re.MULTILINE)


@dataclass
class Run:
    """One export in a fork: its process, what it wrote to stderr, when each stage ended."""

    pid: int
    pipe: int
    text: str = ""
    ends: dict[str, float] = field(default_factory=dict)
    closed: bool = False

    def read(self, timeout: float) -> None:
        """Take in what the export wrote within so many seconds."""
        if self.closed or not select.select([self.pipe], [], [], max(0.0, timeout))[0]:
            return
        piece = os.read(self.pipe, 65536)
        self.closed = not piece
        self.text += piece.decode("utf-8", "replace")
        for name in _LINE.findall(self.text):
            self.ends.setdefault(name, time.monotonic())

    def read_until(self, stage: str | None) -> None:
        """Wait for a stage's end, or with None for the end of the export."""
        deadline = time.monotonic() + DEADLINE
        while not self.closed and (stage is None or stage not in self.ends):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"the export hangs after {list(self.ends)[-1:]}")
            self.read(1.0)

    def end(self) -> int:
        """Wait for the process; its exit code, or minus the signal that it died of."""
        try:
            self.read_until(None)
        finally:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.pipe)
        return code


def fork(arguments: list[str], log: Path) -> Run:
    """Run the command line in a fork, in a session of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Run(pid, reading)
    _child(arguments, log, writing)


def _child(arguments: list[str], log: Path, writing: int) -> NoReturn:
    code = 99
    try:
        os.setsid()  # whatever the export starts can be found by its session
        os.dup2(writing, 2)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        # a shell that runs this in the background ignores SIGINT, and forks inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from edgekit.cli import main

        main(arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 98
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class Kills:
    """The folder in which it all happens, and what was seen."""

    def __init__(self, work: Path, seed: int) -> None:
        from tests.tiny import save_classifier

        self.work, self.rng = work, random.Random(seed)
        self.parent, self.scratch, self.log = work / "parent", work / "tmp", work / "log"
        self.out, self.old = self.parent / "out", work / "old"
        for folder in (self.parent, self.scratch):
            folder.mkdir()
        # forks inherit it: what they leave in the temporary folder is counted, and removed here
        tempfile.tempdir = os.environ["TMPDIR"] = str(self.scratch)
        self.model = save_classifier(work / "model", num_hidden_layers=1)
        self.failures: list[str] = []
        self.seen: Counter[str] = Counter()
        self.by_stage: Counter[str] = Counter()
        self.orphans_outlived = 0.0
        self._round: list[str] = []
        self.stages: list[str] = []
        self.durations: dict[str, float] = {}

    def command(self, *more: str) -> list[str]:
        """The export that is killed: both targets, int8."""
        return ["export", str(self.model), "-o", str(self.out), "--recipe", "w8c_a8",
                "--buckets", "16", *more]  # fmt: skip

    def prepare(self) -> None:
        """An old folder for --force, and how long each stage takes."""
        old = ["export", str(self.model), "-o", str(self.out), "--recipe", "fp32"]
        run = fork([*old, "--target", "onnx"], self.log)
        if run.end() != 0:
            raise RuntimeError(f"the export of the old folder failed:\n{run.text}")
        self.out.rename(self.old)
        start = time.monotonic()
        run = fork(self.command(), self.log)
        if run.end() != 0:
            raise RuntimeError(f"the export does not even work undisturbed:\n{run.text}")
        self.clear()
        for name, ended in [*run.ends.items(), ("finish", time.monotonic())]:
            self.durations[name] = ended - start
            start = ended
        self.stages = list(self.durations)

    def interrupt(self, number: signal.Signals, *more: str) -> tuple[Run, int]:
        """Start an export and send it a signal at a random moment; its end."""
        if not self._round:
            self._round = self.rng.sample(self.stages, len(self.stages))
        stage = self._round.pop()
        run = fork(self.command(*more), self.log)
        index = self.stages.index(stage)
        if index:
            run.read_until(self.stages[index - 1])
        wake = time.monotonic() + self.rng.random() * self.durations[stage]
        while (left := wake - time.monotonic()) > 0 and not run.closed:
            run.read(left)
        os.kill(run.pid, number)
        return run, run.end()

    def hit(self, run: Run) -> str:
        """The stage in which a run ended: the one behind the last that it reported."""
        done = [self.stages.index(name) for name in run.ends if name in self.stages]
        return self.stages[max(done, default=-1) + 1]

    def wait_for_orphans(self, run: Run) -> None:
        """What a killed export had started must end by itself."""
        start = time.monotonic()
        while orphans := session_of(run.pid):
            if time.monotonic() - start > ORPHANS:
                self.failures.append(f"{self.hit(run)}: a process of the export outlives it")
                for pid in orphans:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.05)
            self.orphans_outlived = max(self.orphans_outlived, time.monotonic() - start)

    def check(self, where: str, force: bool, new: bool = False) -> None:
        """Nothing that looks finished unless it is: the old folder, bit by bit, or a valid one."""
        strange = {p.name for p in self.parent.iterdir()} - HIDDEN - {"out"}
        if strange:
            self.failures.append(f"{where}: {sorted(strange)} lies beside the output folder")
        if not self.out.exists():
            self.seen["no folder"] += 1
            if force or new:
                self.failures.append(f"{where}: no folder is there")
            return
        if force and digests(self.out) == digests(self.old):
            self.seen["old folder"] += 1
            return
        self.seen["new folder"] += 1
        run = fork(["validate", str(self.out)], self.log)
        code = run.end()
        files = {p.name for p in self.out.glob("model.*")}
        if code != 0 or files != {"model.w8c_a8.onnx", "model.w8c_a8.tflite"}:
            self.failures.append(f"{where}: a folder that is not whole ({code}: {run.text[-300:]})")

    def rerun(self, where: str) -> None:
        """The same command again, on whatever the kills left: done, whole, and nothing beside."""
        run = fork(self.command("--force"), self.log)
        code = run.end()
        if code != 0:
            self.failures.append(f"{where}: the rerun ended with {code}: {run.text[-300:]}")
        self.check(f"{where}, rerun", force=False, new=True)
        left = sorted(p.name for p in self.parent.iterdir() if p.name != "out")
        if left:
            self.failures.append(f"{where}: {left} survives a rerun")
        self.seen["reruns"] += 1
        self.clear()

    def clear(self) -> None:
        """No output folder; hidden siblings stay, as after a kill."""
        shutil.rmtree(self.out, ignore_errors=True)
        for path in self.scratch.glob("edgekit-*"):
            self.seen["temporary folders left"] += 1
            shutil.rmtree(path, ignore_errors=True)

    def kill(self, number: int) -> None:
        """One SIGKILL that lands, and all checks."""
        force = number % 3 == 2
        while True:
            self.clear()
            if force:
                shutil.copytree(self.old, self.out)
            run, code = self.interrupt(signal.SIGKILL, *(["--force"] if force else []))
            if code == -signal.SIGKILL:
                break
            self.seen["ended before the kill"] += 1
            if code != 0:
                self.failures.append(f"an export ended with {code} by itself: {run.text[-300:]}")
        stage = self.hit(run)
        self.by_stage[stage] += 1
        self.wait_for_orphans(run)
        self.check(f"kill {number} in '{stage}'{' with --force' if force else ''}", force)
        if number % RERUN_EVERY == RERUN_EVERY - 1:
            self.rerun(f"after kill {number}")

    def stop(self, number: int) -> None:
        """One SIGINT or SIGTERM: its exit code, and nothing at all is left behind."""
        self.clear()
        sent = (signal.SIGINT, signal.SIGTERM)[number % 2]
        run, code = self.interrupt(sent)
        stage = self.hit(run)
        where = f"{sent.name} in '{stage}'"
        finished = stage == "finish" and code == 0
        # in its first milliseconds a program has no handlers, and nothing to leave behind
        unbegun = stage == self.stages[0] and code == -sent and not run.text
        if code != {signal.SIGINT: 130, signal.SIGTERM: 143}[sent] and not finished | unbegun:
            self.failures.append(f"{where}: ended with {code}: {run.text[-300:]}")
        if session_of(run.pid):
            self.failures.append(f"{where}: a process of the export outlives it")
        if "Traceback" in run.text:
            self.failures.append(f"{where}: a traceback: {run.text[-300:]}")
        left = [p.name for p in self.parent.iterdir() if p.name != "out"]
        left += [p.name for p in self.scratch.glob("edgekit-*")]
        if left:
            self.failures.append(f"{where}: {sorted(left)} is left behind")
        self.check(where, force=False)
        self.seen[f"{sent.name} done"] += 1


def session_of(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, *rest = path.read_text().rpartition(")")[2].split()
            if int(rest[2]) == leader and state != "Z":
                found.append(int(path.parent.name))
    return found


def digests(folder: Path) -> dict[str, str]:
    """sha256 by file name."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def warm_up(model: Path, work: Path) -> None:
    """An ONNX export in this process, so that the forks find it imported and traced once.

    The converter to TFLite is imported and not run: it starts threads, which no fork survives.
    """
    from edgekit.converters.quiet import quiet_libraries

    import edgekit

    with quiet_libraries():
        import litert_torch  # noqa: F401
        import torch
        from edgekit.converters.to_tflite import target  # noqa: F401

        torch.set_num_threads(1)
    edgekit.export(model, work / "warm", recipes=["w8c_a8"], targets=["onnx"])


def measure(kills: int, interrupts: int, seed: int) -> dict[str, Any]:
    """All of it; ``failures`` is empty when the folder is safe."""
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="edgekit-kills-") as work:
        state = Kills(Path(work), seed)
        warm_up(state.model, Path(work))
        state.prepare()
        start = time.monotonic()
        for number in range(kills):
            state.kill(number)
            tell(f"kill {number + 1}/{kills}", state, start)
        if kills:
            state.rerun("at the end")
        of_kills, state.failures = state.failures, []
        for number in range(interrupts):
            state.stop(number)
            tell(f"interrupt {number + 1}/{interrupts}", state, start)
        return {
            "seed": seed,
            "kills": sum(state.by_stage.values()),
            "kills_by_stage": {name: state.by_stage[name] for name in state.stages},
            "stage_seconds": {k: round(v, 3) for k, v in state.durations.items()},
            "interrupts": interrupts,
            "reruns": state.seen["reruns"],
            "seen": dict(sorted(state.seen.items())),
            "orphans_outlived_seconds": round(state.orphans_outlived, 2),
            "minutes": round((time.monotonic() - start) / 60, 1),
            "failures": of_kills,
            "interrupt_failures": state.failures,
        }


def tell(what: str, state: Kills, start: float) -> None:
    """One line of progress."""
    sys.stderr.write(
        f"[{time.monotonic() - start:6.0f} s] {what}, {len(state.failures)} failures\n"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--interrupts", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--print", action="store_true", help="print the result, save nothing")
    options = parser.parse_args([] if arguments is None else arguments)
    result = measure(options.kills, options.interrupts, options.seed)
    if options.print:
        print(json.dumps(result, indent=1))
    else:
        save("kills", result)
        show()
    return 1 if result["failures"] or result["interrupt_failures"] else 0


def show() -> None:
    result = load("kills")["result"]
    rows = [(name, f"{result['stage_seconds'][name]:.2f}", str(count))
            for name, count in result["kills_by_stage"].items()]  # fmt: skip
    print_table(("stage", "seconds", "kills"), [*rows, ("all", "-", str(result["kills"]))])
    counts = [len(result[name]) for name in ("failures", "interrupt_failures")]
    print(f"  reruns {result['reruns']}, failures {counts[0]}")
    print(f"  SIGINT and SIGTERM {result['interrupts']}, failures {counts[1]}")
    for failure in (*result["failures"], *result["interrupt_failures"]):
        print(f"  {failure}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
