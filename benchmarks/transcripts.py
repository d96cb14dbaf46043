"""What the commands of docs/ print on real models: recorded here, shown there by `make docs`.

usage: python benchmarks/transcripts.py [NAME...]      (needs build/demo; minutes each)
A name's command runs in build/transcripts; what it printed goes into results/transcripts.json.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

from common import DEMO, RESULTS, ROOT, SHARED, load, save

PLACE = ROOT / "build" / "transcripts"
#: name -> commands as the page shows them; the output of the last one is kept
COMMANDS: dict[str, tuple[str, ...]] = {
    "bench": (
        "edgekit export demo -o out --recipe fp32 --recipe fp16 --recipe w8c_a8",
        "edgekit bench out",
    ),
    "bench_vs": ("edgekit bench out/model.w8c_a8.tflite --vs out/model.fp32.tflite",),
    "bench_memory": ("edgekit bench out/model.fp32.onnx --profile mem=80M",),
    "bench_profiles": ("edgekit bench --profiles",),
    "budget": ("edgekit export demo -o out-12MB --target onnx --max-size 12MB",),
    "explain": (
        "edgekit export demo -o out-4-bits --target onnx --recipe w4g16_a8+e4g32 --max-length 128",
        "edgekit explain out-4-bits w4g16_a8+e4g32 --reference demo",
    ),
    "sweep": ("edgekit sweep demo -o sweep",),
    "sweep_sst2": (
        "edgekit sweep ./minilm-sst2 -o sweep-sst2 --bits 2-4 --group 32 --embeddings 4g32 "
        "--data sst2-dev.tsv",
    ),
}

#: what tests/docs has to know of a block: its exit codes with other models, or why it is not run
MARKS = {
    "sweep": "not run: long",
    "sweep_sst2": "exit code 0 or 1: an audit that finds something makes it 1",
    "bench_memory": "exit code 0 or 1 or 6: a small file fits; no limit can be set everywhere",
}


def record(name: str) -> dict[str, object]:
    """Run a name's commands; a folder that an earlier one made is used again."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for link, target in (
        ("minilm-sst2", SHARED / "models" / "minilm-sst2"),
        ("sst2-dev.tsv", SHARED / "data" / "sst2-dev.tsv"),
    ):
        if not (PLACE / link).exists() and target.exists():
            (PLACE / link).symlink_to(target)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    for command in COMMANDS[name]:
        words = shlex.split(command)
        if command != COMMANDS[name][-1] and (PLACE / words[words.index("-o") + 1]).is_dir():
            continue
        done = subprocess.run(
            [sys.executable, "-m", "edgekit", *words[1:]],
            cwd=PLACE, env=environment, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    if done.returncode not in (0, 1):
        sys.exit(f"{command}: exit code {done.returncode}, nothing is kept of it.")
    return {"exit_code": done.returncode, "lines": done.stdout.rstrip().splitlines()}


def show(name: str) -> str:
    """The block of a page: every command, and what the last one printed."""
    found = load("transcripts")["result"][name]
    lines = [*(f"$ {command}" for command in COMMANDS[name]), *found["lines"]]
    mark = f"<!-- {MARKS[name]} -->\n" if name in MARKS else ""
    return f"{mark}```console\n" + "\n".join(lines) + "\n```"


def main() -> None:
    """Record the given names, or all; then keep the sweep's points for its plot."""
    names = sys.argv[1:] or list(COMMANDS)
    kept = load("transcripts")["result"] if (RESULTS / "transcripts.json").is_file() else {}
    for name in names:
        kept[name] = record(name)
        save("transcripts", kept)
        if name == "sweep":
            save("sweep", json.loads((PLACE / "sweep" / "sweep.json").read_text("utf-8")))


if __name__ == "__main__":
    if not DEMO.is_dir():
        sys.exit("build/demo is missing: run `make demo` first.")
    main()
