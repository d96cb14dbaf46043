"""A student comes nearer to its teacher, and interrupted work ends in the same weights."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from edgekit.converters.shrink.distill import distill
from edgekit.converters.shrink.distill_store import Kept, Store
from edgekit.converters.shrink.folder import read_steps

from edgekit.cli.main import run_command
from edgekit.distillation import Distillation, DistillOptions
from edgekit.errors import (
    CasesError,
    CheckpointError,
    FolderExistsError,
    NotFiniteError,
    UsageError,
)
from tests.shrink.distill_models import TEXTS, noisy_copy, without_last_layer, write_texts
from tests.shrink.test_folder import same_tensors
from tests.tiny import save_classifier, save_model

pytestmark = pytest.mark.heavy

SHORT = DistillOptions(steps=6, batch_size=4, learning_rate=1e-3, hidden=1.0, checkpoint_every=2)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """To train on, and to measure on."""
    folder = tmp_path_factory.mktemp("texts")
    held = tuple(text.replace("film", "play") for text in TEXTS[:8])
    return write_texts(folder / "data.jsonl"), write_texts(folder / "held.jsonl", held)


@pytest.fixture(scope="module")
def student(embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_copy(embedder, tmp_path_factory.mktemp("students") / "noisy")


def taught(
    teacher: Path, student: Path, texts: tuple[Path, Path], out: Path,
    options: DistillOptions = SHORT, force: bool = False,
) -> Distillation:  # fmt: skip
    return distill(teacher, student, texts[0], out, options, held_out=texts[1], force=force)


def test_an_embedder_comes_nearer_and_is_a_folder_like_any(
    embedder: Path, student: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    found = taught(embedder, student, texts, tmp_path / "out", replace(SHORT, steps=20))

    assert found.won_back > 0.3
    assert found.after.high < found.before.low
    assert [point.step for point in found.curve] == list(range(0, 21, 2))
    assert read_steps(tmp_path / "out")[-1]["teacher"]["name"] == embedder.name
    assert (tmp_path / "out" / "distill" / "distill.csv").is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]  # no work folder is left


def test_a_classifier_with_a_layer_less(
    classifier: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    short = without_last_layer(classifier, tmp_path / "short")

    found = taught(classifier, short, texts, tmp_path / "out", replace(SHORT, steps=30))

    assert found.measure == "KL"
    assert found.won_back > 0.3


@pytest.mark.parametrize("task", ["token-classification", "question-answering", "fill-mask"])
def test_tasks_whose_tokens_have_outputs(task: str, tmp_path: Path) -> None:
    teacher = save_model(tmp_path / "teacher", "bert", task)
    pairs = "".join(f"{json.dumps({'question': t, 'context': t})}\n" for t in TEXTS)
    (tmp_path / "pairs.jsonl").write_text(pairs, encoding="utf-8")
    student = noisy_copy(teacher, tmp_path / "student", 0.3)

    found = distill(
        teacher, student, tmp_path / "pairs.jsonl", tmp_path / "out", replace(SHORT, steps=20)
    )

    assert found.won_back > 0.1


def test_a_language_model(texts: tuple[Path, Path], tmp_path: Path) -> None:
    from tests.causal.models import save_model as save_causal

    teacher = save_causal(tmp_path / "teacher", "llama")
    student = noisy_copy(teacher, tmp_path / "student")

    found = taught(teacher, student, texts, tmp_path / "out", replace(SHORT, steps=10))

    assert found.task == "text-generation"
    assert found.won_back > 0.1


def test_the_base_of_a_teacher_that_is_an_adapter_can_be_named(
    embedder: Path, student: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    import peft
    from transformers import AutoModel

    model = AutoModel.from_pretrained(embedder)
    settings = peft.LoraConfig(target_modules=["query"], init_lora_weights=False)
    peft.get_peft_model(model, settings).save_pretrained(str(tmp_path / "adapter"))
    path = tmp_path / "adapter" / "adapter_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "base_model_name_or_path": "nobody/here"}))
    command = ["distill", tmp_path / "adapter", student, "--data", texts[0], "--held-out", texts[1],
               "-o", tmp_path / "out", "--steps", "2", "-q"]  # fmt: skip

    assert run_command([str(part) for part in command]) == 3
    assert run_command([str(part) for part in (*command, "--base", embedder)]) == 0
    assert read_steps(tmp_path / "out")[-1]["teacher"]["name"] == "adapter"


def test_stopped_between_checkpoints_it_ends_in_the_same_weights(
    embedder: Path, student: Path, texts: tuple[Path, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    whole = taught(embedder, student, texts, tmp_path / "whole")
    write = Store.write

    def interrupted(store: Store, kept: Kept) -> None:
        write(store, kept)
        if kept.done == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", interrupted)
        with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
            taught(embedder, student, texts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(FolderExistsError, match="another learning rate"):
        taught(embedder, student, texts, tmp_path / "out", replace(SHORT, learning_rate=1e-4))
    with pytest.raises(FolderExistsError, match="another task"):
        distill(embedder, student, texts[0], tmp_path / "out", SHORT, held_out=texts[1],
                task="feature-extraction")  # fmt: skip

    steps = []
    monkeypatch.setattr(Store, "write", lambda s, kept: (steps.append(kept.done), write(s, kept)))
    found = taught(embedder, student, texts, tmp_path / "out")

    assert steps == [6]  # what was done before is not done again
    same_tensors(tmp_path / "whole", tmp_path / "out")
    assert found.curve == whole.curve
    assert found.after == whole.after
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "whole"]


def test_killed_it_ends_in_the_same_weights(
    embedder: Path, student: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    steps = ["--steps", "40", "--batch-size", "4", "--checkpoint-every", "2"]
    command = ["distill", embedder, student, "--data", texts[0], "--held-out", texts[1], *steps]
    state = tmp_path / ".out.edgekit-distill" / "state.safetensors"
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", *map(str, command), "-o", str(tmp_path / "out")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    while process.poll() is None and not state.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.exists()
    assert not (tmp_path / "out").exists()

    for name in ("out", "whole"):
        assert run_command([*map(str, command), "-q", "-o", str(tmp_path / name)]) == 0

    same_tensors(tmp_path / "whole", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "whole"]


def other_tokenizer(folder: Path) -> None:
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(text.replace('"film"', '"movie"'), encoding="utf-8")


def other_reading(folder: Path) -> None:
    document = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    document["normalizer"]["lowercase"] = False
    document["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    document["model"]["max_input_chars_per_word"] = 2
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_tokenizer, r'id \d+ is "movie" for the student and "film" for the teacher'),
        (other_reading, r"do not read text 1 alike: .* for the student and .* for the teacher"),
    ],
)
def test_another_tokenizer_is_refused_with_its_first_difference(
    change: object, told: str, embedder: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    student = Path(shutil.copytree(embedder, tmp_path / "student"))
    change(student)  # type: ignore[operator]

    with pytest.raises(CheckpointError, match=told):
        taught(embedder, student, texts, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["student"]


def test_another_task_other_labels_and_the_same_model(
    embedder: Path, classifier: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    labels = {0: "bad", 1: "neutral", 2: "positive"}
    other = save_classifier(tmp_path / "other")
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    config |= {"id2label": labels, "label2id": {v: k for k, v in labels.items()}}
    (other / "config.json").write_text(json.dumps(config), encoding="utf-8")

    for teacher, student, told in (
        (classifier, other, "label 0 is 'bad', the teacher's 'negative'"),
        (embedder, embedder, "are the same model"),
        (embedder, classifier, "task is text-classification, the teacher's sentence-embedding"),
    ):
        with pytest.raises(CheckpointError, match=told):
            taught(teacher, student, texts, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["other"]


def test_a_rate_that_is_far_too_high_is_told(
    embedder: Path, student: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(NotFiniteError, match="its weights ran away"):
        taught(embedder, student, texts, tmp_path / "out", replace(SHORT, learning_rate=1e30))
    assert list(tmp_path.iterdir()) == []


def test_data_without_text_and_folders_in_each_other(
    embedder: Path, student: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    empty = write_texts(tmp_path / "empty.jsonl", ("", " "))

    with pytest.raises(CasesError, match="holds no text"):
        taught(embedder, student, (empty, texts[1]), tmp_path / "out")
    with pytest.raises(UsageError, match="lie in each other"):
        taught(embedder, student, texts, embedder / "out")


def test_the_command(
    embedder: Path, student: Path, texts: tuple[Path, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "新 folder" / "out 'x'"
    command = ["distill", embedder, student, "--data", texts[0], "--held-out", texts[1], "-o", out]
    shorter = ["--steps", "2", "--batch-size", "4"]

    assert run_command([*map(str, [*command, *shorter, "--json", "-q"])]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["steps"] == 2
    assert run_command([*map(str, [*command, *shorter, "--force"])]) == 0
    told = capsys.readouterr()
    assert "won back" in told.out
    assert "step 2 of 2: loss" in told.err
    assert run_command([*map(str, [*command, "--epochs", "0"])]) == UsageError.exit_code
    assert "hint:" in capsys.readouterr().err
