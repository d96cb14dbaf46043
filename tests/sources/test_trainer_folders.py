"""The output folder of transformers' Trainer: which checkpoint is taken, and that it is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from edgekit.converters.sources.trainer_folder import take_checkpoint

from edgekit.errors import EdgekitError
from tests.sources.helpers import check_refusal, edit_json, load, outputs_of

pytestmark = pytest.mark.heavy

TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


@pytest.fixture
def run(classifier: Path, tmp_path: Path) -> Path:
    """Three whole checkpoints of different weights, as Trainer leaves them, nothing at the top."""
    folder = tmp_path / "my run"
    for step in (5, 10, 20):
        place = shutil.copytree(classifier, folder / f"checkpoint-{step}")
        shift_bias(place, step)
        state = {"best_model_checkpoint": None, "global_step": step}
        (place / "trainer_state.json").write_text(json.dumps(state))
        # never to be opened: any reading of it as pickle would fail
        (place / "optimizer.pt").write_bytes(b"not a pickle at all")
        (place / "training_args.bin").write_bytes(b"not a pickle at all")
    return folder


def shift_bias(folder: Path, value: float) -> None:
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["classifier.bias"] = tensors["classifier.bias"] * 0 + value
    save_file(tensors, path, metadata={"format": "pt"})


def bias_of(folder: Path) -> float:
    return float(load(folder).parameters["classifier.bias"][0])


def name_best(run: Path, best: str, step: int = 20) -> None:
    edit_json(run / f"checkpoint-{step}" / "trainer_state.json", best_model_checkpoint=best)


def test_the_highest_step_by_number_not_by_name(run: Path) -> None:
    (run / "checkpoint-5").rename(run / "checkpoint-100")
    assert bias_of(run) == 5  # "checkpoint-100" sorts before "checkpoint-20"
    source = load(run).source
    assert source["taken_from"] == "checkpoint-100"
    assert source["notes"] == ["checkpoint-100 was taken: the highest step that is whole"]
    assert source["name"] == "my run"


@pytest.mark.parametrize(
    "path", ["/data/elsewhere/run/checkpoint-10", "C:\\runs\\x\\checkpoint-10", "checkpoint-10/"]
)
def test_the_best_by_its_folder_name_alone(path: str, run: Path) -> None:
    name_best(run, path)
    source = load(run).source
    assert source["taken_from"] == "checkpoint-10"
    assert "names it the best" in source["notes"][0]
    assert bias_of(run) == 10


def test_the_state_at_the_top_comes_first(run: Path) -> None:
    name_best(run, "checkpoint-10")
    state = {"best_model_checkpoint": "x/checkpoint-5"}
    (run / "trainer_state.json").write_text(json.dumps(state))
    assert load(run).source["taken_from"] == "checkpoint-5"


def test_the_best_was_deleted(run: Path) -> None:
    name_best(run, "run/checkpoint-15")
    source = load(run).source
    assert source["taken_from"] == "checkpoint-20"
    assert "checkpoint-15, the best by trainer_state.json, is not there" in source["notes"][0]


def test_a_best_outside_the_folder_is_not_followed(run: Path, classifier: Path) -> None:
    name_best(run, str(classifier))
    assert load(run).source["taken_from"] == "checkpoint-20"


def test_weights_at_the_top_win(run: Path) -> None:
    for path in (run / "checkpoint-5").iterdir():
        shutil.copy(path, run)
    name_best(run, "checkpoint-10")
    source = load(run).source
    assert source["taken_from"] == "the top of the folder"
    assert source["notes"] == [
        "the weights at its top were taken, not those of checkpoint-20, checkpoint-10 and "
        "checkpoint-5"
    ]
    assert bias_of(run) == 5


def test_pickle_weights_at_the_top_are_not_passed_over(run: Path) -> None:
    (run / "pytorch_model.bin").write_bytes(b"x")
    shutil.copy(run / "checkpoint-5" / "config.json", run)
    with pytest.raises(EdgekitError) as caught:
        load(run)
    check_refusal(caught, 3, "pickle")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def split_in_two(folder: Path) -> list[Path]:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, paths, weight_map = sorted(tensors), [], {}
    for i, part in enumerate((names[::2], names[1::2])):
        paths.append(folder / f"model-0000{i + 1}-of-00002.safetensors")
        save_file({name: tensors[name] for name in part}, paths[-1])
        weight_map |= {name: paths[-1].name for name in part}
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return paths


HALF: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no safetensors weights"),
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "half a config": (lambda f: truncate(f / "config.json"), "config.json cannot be read"),
    "weights cut off": (lambda f: truncate(f / "model.safetensors"), "damaged or cut off"),
    "a shard is missing": (lambda f: split_in_two(f)[1].unlink(), "shards are incomplete"),
    "empty": (lambda f: (shutil.rmtree(f), f.mkdir()), "no config.json"),
}


@pytest.mark.parametrize("name", HALF)
def test_a_half_written_checkpoint_is_passed_over(name: str, run: Path) -> None:
    breaking, reason = HALF[name]
    breaking(run / "checkpoint-20")
    source = load(run).source
    assert source["taken_from"] == "checkpoint-10"
    assert any("checkpoint-20 was passed over" in n and reason in n for n in source["notes"])


def test_a_best_that_is_half_written(run: Path) -> None:
    name_best(run, "checkpoint-10")
    truncate(run / "checkpoint-10" / "model.safetensors")
    source = load(run).source
    assert source["taken_from"] == "checkpoint-20"
    assert any("checkpoint-10 was passed over" in note for note in source["notes"])


def test_a_state_that_cannot_be_read(run: Path) -> None:
    (run / "trainer_state.json").write_text("{")
    (note,) = load(run).source["notes"]
    assert "trainer_state.json cannot be read" in note


def test_none_is_whole(run: Path) -> None:
    for step in (5, 10, 20):
        (run / f"checkpoint-{step}" / "model.safetensors").unlink()
    with pytest.raises(EdgekitError) as caught:
        load(run)
    check_refusal(caught, 3, "checkpoint-20: it has no safetensors weights", "save_model")


def test_names_that_only_look_like_checkpoints(run: Path, classifier: Path) -> None:
    shutil.copytree(classifier, run / "checkpoint-best")
    (run / "checkpoint-99").write_text("a file")
    assert take_checkpoint(run).name == "checkpoint-20"


@pytest.mark.parametrize("given", [".", "checkpoint-20"])
def test_the_tokenizer_only_at_the_top(given: str, run: Path) -> None:
    for step in (5, 10, 20):
        for name in TOKENIZER:
            shutil.move(run / f"checkpoint-{step}" / name, run / name)
    checkpoint = load(run / given)
    assert outputs_of(checkpoint).shape == (5, 3)


def test_no_tokenizer_anywhere(run: Path) -> None:
    (run / "checkpoint-20" / "tokenizer.json").unlink()
    with pytest.raises(EdgekitError) as caught:
        load(run)
    check_refusal(caught, 3, "holds no tokenizer", "save_pretrained")


def test_it_is_said_on_the_command_line_and_in_the_manifest(
    run: Path, tmp_path: Path, edgekit_cli
) -> None:
    out = tmp_path / "out"
    done = edgekit_cli("export", run, "-o", out, "--recipe", "fp32", "--target", "onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("my run (checkpoint-20): text-classification")
    assert "my run: checkpoint-20 was taken: the highest step that is whole" in done.stdout
    source = json.loads((out / "edgekit.json").read_text())["source"]
    assert source["taken_from"] == "checkpoint-20"
    assert "checkpoint-20" in (out / "report.md").read_text()
    done = edgekit_cli("validate", out, "--reference", run)
    assert done.returncode == 0, done.stdout
    name_best(run, "checkpoint-5")
    done = edgekit_cli("validate", out, "--reference", run)
    assert done.returncode == 1, "another checkpoint is another model"
