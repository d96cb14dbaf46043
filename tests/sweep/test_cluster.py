"""A sweep over three workers of a Dask scheduler on the loopback, one of them killed on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweep.helpers import COMMON, NAMES, calibration, command, read, run, values

pytestmark = pytest.mark.heavy

Processes = list["subprocess.Popen[bytes]"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, Processes]]:
    """The scheduler's address and the workers, which are processes without a nanny."""
    where = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(where), "--host", "127.0.0.1", "--no-dashboard"]
    module = "distributed.cli.dask_"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments, *common], env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    processes = [start(f"{module}scheduler", "--port", "0")]
    try:
        end = time.monotonic() + 60
        while not (where.exists() and where.read_text()):
            assert time.monotonic() < end
            time.sleep(0.1)
        processes += [
            start(f"{module}worker", "--nthreads", "1", "--no-nanny",
                  "--local-directory", str(tmp_path / "dask"))
            for _ in range(3)
        ]  # fmt: skip
        yield json.loads(where.read_text())["address"], processes[1:]
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def test_one_of_three_workers_is_killed(
    cluster: tuple[str, Processes], embedder: Path, tmp_path: Path
) -> None:
    address, workers = cluster
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(3, timeout=60)
    options = (*COMMON, "--calibration", calibration(tmp_path))
    out = tmp_path / "out"
    sweep = subprocess.Popen(
        command(embedder, out, *options, "--scheduler", address),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sweep.stderr is not None
    while "1 of 6:" not in (line := sweep.stderr.readline()):
        assert line, "the sweep ended early"
    # the other two are opening the model or measuring: both have work
    workers[1].kill()
    _, errors = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, errors
    assert "6 of 6:" in errors
    assert workers[1].wait() == -9
    assert all(worker.poll() is None for worker in (workers[0], workers[2]))
    document = read(out)
    assert [p["recipe"] for p in document["points"]] == NAMES
    assert document["failed"] == []
    local = run(embedder, tmp_path / "local", *options)
    assert local.returncode == 0, local.stderr
    assert values(document) == values(read(tmp_path / "local"))


def test_when_all_workers_are_gone_it_ends_and_goes_on_later(
    cluster: tuple[str, Processes], embedder: Path, tmp_path: Path
) -> None:
    address, workers = cluster
    options = (*COMMON, "--calibration", calibration(tmp_path))
    out = tmp_path / "out"
    sweep = subprocess.Popen(
        command(embedder, out, *options, "--scheduler", address),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sweep.stderr is not None
    while "1 of 6:" not in (line := sweep.stderr.readline()):
        assert line, "the sweep ended early"
    for worker in workers:
        worker.kill()
    _, errors = sweep.communicate(timeout=120)
    assert sweep.returncode == 6, errors
    assert "is gone, or all of its workers are." in errors
    assert "Traceback" not in errors
    kept = len(list((out / "points").iterdir()))
    assert 1 <= kept < 6
    alone = run(embedder, out, *options, "--scheduler", address)
    assert alone.returncode == 6
    assert "has no worker" in alone.stderr
    assert len(list((out / "points").iterdir())) == kept
