"""Runs edgekit's commands, each in a fork of one process that has the heavy packages imported.

A line of JSON comes in (``arguments``, ``folder``), one goes out (``code``, ``out``, ``err``).
Importing torch and the exporters takes longer than a tiny model's whole export.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path


def _import() -> None:
    from edgekit.converters.quiet import quiet_libraries

    with quiet_libraries():
        import edgekit.converters.api
        import edgekit.converters.to_onnx.export
        import edgekit.converters.to_tflite.export  # noqa: F401


def _child(arguments: list[str], folder: str, out: int, err: int) -> None:
    """Run one command; never returns."""
    code = 70
    try:
        os.chdir(folder)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.argv = ["edgekit", *arguments]
        from edgekit.cli import main

        main(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer until stdin ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as place:
            out, err = Path(place, "out"), Path(place, "err")
            with out.open("wb") as to_out, err.open("wb") as to_err:
                child = os.fork()
                if child == 0:
                    _child(asked["arguments"], asked["folder"], to_out.fileno(), to_err.fileno())
                _, status = os.waitpid(child, 0)
            answer = {
                "code": os.waitstatus_to_exitcode(status),
                "out": out.read_text("utf-8", "replace"),
                "err": err.read_text("utf-8", "replace"),
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _import()
    print("ready", flush=True)
    serve()
