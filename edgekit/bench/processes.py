"""Starting measured processes: the job, the memory group, and how a process may end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.bench.memory import MemoryGroup
from edgekit.bench.profiles import Profile
from edgekit.contract import Contract
from edgekit.errors import ArtifactError, EdgekitError, MachineError, UsageError
from edgekit.parity.worker import last_words
from edgekit.runtime.rows import Row

#: seconds that one process may take
PATIENCE = 3600
#: seconds under a memory limit: a file that is mapped is not killed, it is read again without end
LIMITED_PATIENCE = 120

_SIGKILL = 9


class DoesNotFit(Exception):  # noqa: N818 - a verdict: ``bench_file`` makes it a result
    """A file needs more memory than the limit."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A file to be run, and its contract."""

    path: Path
    contract: Contract


def run_job(
    files: Sequence[Measured],
    rows: Mapping[str, Row],
    profile: Profile,
    group: MemoryGroup | None,
    rounds: int,
    warmup: int = 3,
    weight_cache: bool = True,
    cold: bool = False,
    **extra: Any,
) -> dict[str, Any]:
    """Run one process of ``edgekit.bench.worker`` to its end.

    Args:
      files: one, or two to be run in turn.
      rows: length -> inputs.
      profile: threads and level.
      group: the memory limit, or None.
      rounds, warmup: calls at each length.
      weight_cache: TFLite: map packed weights from a cache file.
      cold: drop the file from the page cache first.
      extra: more of the job, see the worker.
    Raises:
      DoesNotFit: the kernel killed it for lack of memory, or it did not end under the limit.
      MachineError: the process died, or cannot do it here.
      UsageError, ArtifactError, MissingExtraError: as the process said.
    """
    job = {
        "files": [
            {"path": str(file.path.resolve()), "contract": file.contract.to_json()}
            for file in files
        ],
        "rows": {k: {n: v.tolist() for n, v in row.items()} for k, row in rows.items()},
        "rounds": rounds,
        "warmup": warmup,
        "threads": profile.threads,
        "level": profile.level,
        "weight_cache": weight_cache,
        "cold": cold,
        **extra,
    }
    command = [sys.executable, "-m", "edgekit.bench.worker"]
    kills = group.kills() if group else 0
    try:
        done = subprocess.run(
            group.wrap(command) if group else command,
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMITED_PATIENCE if group else PATIENCE,
        )
    except subprocess.TimeoutExpired:
        if group:
            raise DoesNotFit(
                f"does not fit in {group.limit_mb} MB (reads its weights again and again, given up"
                f" after {LIMITED_PATIENCE} s)",
            ) from None
        raise MachineError(f"the bench process did not end within {PATIENCE} s.", "") from None
    if group and done.returncode == -_SIGKILL and group.kills() > kills:
        raise DoesNotFit(f"does not fit in {group.limit_mb} MB")
    if done.returncode != 0:
        raise _error(done.returncode, done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _error(code: int, stderr: str) -> EdgekitError:
    message, hint = last_words(stderr)
    kind = {2: UsageError, 3: ArtifactError, 4: EdgekitError}.get(code)
    if kind is None:
        return MachineError(f"the bench process ended with {code}: {message}", hint)
    error = kind(message, hint)
    error.exit_code = code
    return error
