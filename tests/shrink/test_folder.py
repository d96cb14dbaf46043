"""A checkpoint that is written again is the same model, with all that belongs to it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.opening import load_source
from edgekit.converters.shrink.folder import STEPS, changing, read_steps, reopened, write_checkpoint

from edgekit.errors import CheckpointError, FolderExistsError, InternalError, UsageError
from tests.causal import models as causal

pytestmark = pytest.mark.heavy


def again(model: Path, out: Path, force: bool = False) -> Path:
    with changing(str(model), out, force) as (checkpoint, folder):
        write_checkpoint(checkpoint, folder, {"step": "none"})
        reopened(folder, checkpoint)
    return out


def stored(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def same_tensors(first: Path, second: Path) -> None:
    want, got = stored(first), stored(second)
    assert {n: (v.dtype, v.shape) for n, v in want.items()} == {
        n: (v.dtype, v.shape) for n, v in got.items()
    }
    for name, value in want.items():
        np.testing.assert_array_equal(value, got[name], err_msg=name)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "opt"])
def test_generating_models_keep_every_tensor(kind: str, tmp_path: Path) -> None:
    model = causal.save_model(tmp_path / "model", kind)
    out = again(model, tmp_path / "out")
    same_tensors(model, out)
    before = json.loads((model / "config.json").read_text(encoding="utf-8"))
    after = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert {k: after.get(k) for k in before} == before  # use_cache too, off for the reference
    assert (out / "generation_config.json").is_file()


def test_a_classifier_and_an_embedder(classifier: Path, embedder: Path, tmp_path: Path) -> None:
    for model in (classifier, embedder):
        out = again(model, tmp_path / model.name)
        same_tensors(model, out)
        beside = {p.relative_to(model) for p in model.rglob("*") if p.is_file()}
        assert {p.relative_to(out) for p in out.rglob("*") if p.is_file()} == {
            *beside, Path(STEPS)
        }  # fmt: skip


def test_half_floats_stay_where_nothing_is_lost(classifier: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    half = tmp_path / "half"
    with changing(str(classifier), half, False) as (checkpoint, folder):
        write_checkpoint(checkpoint, folder, {"step": "none"})
    model = AutoModelForSequenceClassification.from_pretrained(half)
    model.half().save_pretrained(half)
    same_tensors(half, again(half, tmp_path / "same"))
    out = tmp_path / "other"
    with changing(str(half), out, False) as (checkpoint, folder):
        next(checkpoint.model.parameters()).data[0, 0] = 1.0001  # no half float
        write_checkpoint(checkpoint, folder, {"step": "none"})
    assert {v.dtype.name for v in stored(out).values()} == {"float32"}


def test_steps_are_told_in_their_order(embedder: Path, tmp_path: Path) -> None:
    first = again(embedder, tmp_path / "first")
    second = again(first, tmp_path / "second")
    assert [step["of"]["name"] for step in read_steps(second)] == [embedder.name, "first"]
    (second / STEPS).write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_steps(second)


def wrongly_written(model: Path, out: Path) -> None:
    with changing(str(model), out, False) as (checkpoint, folder):
        write_checkpoint(checkpoint, folder, {"step": "none"})
        checkpoint.model.embeddings.word_embeddings.weight.data.mul_(1.5)
        reopened(folder, checkpoint)


def test_what_was_written_is_held_against_the_model(embedder: Path, tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="away from the model's"):
        wrongly_written(embedder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_such_a_folder_is_replaced(embedder: Path, tmp_path: Path) -> None:
    out = again(embedder, tmp_path / "out")
    with pytest.raises(FolderExistsError, match="exists"):
        again(embedder, out)
    again(embedder, out, force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(FolderExistsError, match="--force does not replace it"):
        again(embedder, tmp_path / "mine", force=True)
    with pytest.raises(UsageError, match="lie in each other"):
        again(embedder, embedder / "out")


@pytest.mark.parametrize("named", [True, False])
def test_the_base_of_an_adapter_is_never_written_into(
    named: bool, embedder: Path, tmp_path: Path
) -> None:
    import peft
    from transformers import AutoModel

    base, adapter = again(embedder, tmp_path / "base"), tmp_path / "adapter"
    model = AutoModel.from_pretrained(base)
    settings = peft.LoraConfig(target_modules=["query"], init_lora_weights=False)
    peft.get_peft_model(model, settings).save_pretrained(str(adapter))
    before = stored(base)
    given = str(base) if named else None
    for out in (base, base / "inside"):
        with (
            pytest.raises(UsageError, match="lie in each other"),
            changing(str(adapter), out, True, base=given),
        ):
            pytest.fail("the base was opened for writing")
    assert not (base / "inside").exists()
    assert sorted(stored(base)) == sorted(before)


def test_loaded_again_it_is_a_source_like_any(embedder: Path, tmp_path: Path) -> None:
    out = again(embedder, tmp_path / "out")
    first, second = (load_source(str(p), None, None, None) for p in (embedder, out))
    assert first.contract == second.contract
