"""Image classifiers in both targets: the numbers of the source, small files, pictures from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgekit
from edgekit.audit.tflite_file import TfliteFile
from edgekit.manifest import Manifest
from edgekit.tasks.drawn_pictures import draw_pictures
from edgekit.tasks.image_cases import image_example
from tests.images.conftest import Exported
from tests.images.models import LABELS

pytestmark = pytest.mark.heavy

TARGETS = ("onnx", "tflite")


@pytest.fixture(scope="module")
def logits(exported_images: Exported) -> dict[str, np.ndarray]:
    """Of 200 drawn pictures, by "source" and "target recipe"."""
    from edgekit.converters.api import open_source

    from edgekit.tasks import get_task

    models = {"source": open_source(str(exported_images.source))}
    for target in TARGETS:
        for recipe in ("fp32", "w8c_a8"):
            models[f"{target} {recipe}"] = edgekit.load(exported_images.folder, target, recipe)
    contract = models["source"].contract
    examples = [image_example(p, str(i)) for i, p in enumerate(draw_pictures(200, seed=1))]
    rows = get_task(contract.task).prepare(examples, contract, None)
    return {
        name: np.stack([o["logits"] for o in model.outputs(rows)]) for name, model in models.items()
    }


def test_the_source_tells_pictures_apart(logits: dict[str, np.ndarray]) -> None:
    assert len(np.unique(logits["source"].argmax(axis=1))) > 3
    assert logits["source"].std(axis=0).min() > 0.1


@pytest.mark.parametrize("target", TARGETS)
def test_float32_gives_the_sources_logits(logits: dict[str, np.ndarray], target: str) -> None:
    expected, found = logits["source"], logits[f"{target} fp32"]
    assert np.abs(found - expected).max() <= 1e-4
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize("target", TARGETS)
def test_int8_agrees_where_the_source_is_clear(logits: dict[str, np.ndarray], target: str) -> None:
    expected, found = logits["source"], logits[f"{target} w8c_a8"]
    same = expected.argmax(axis=1) == found.argmax(axis=1)
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] > 0.25 * np.sqrt(np.square(expected).mean())
    assert clear.sum() > 50
    assert same[clear].all()
    assert same.mean() >= 0.95
    assert not np.array_equal(expected, found)


def test_the_report_gives_int8_agreement_with_its_interval(exported_images: Exported) -> None:
    report = (exported_images.folder / "report.md").read_text(encoding="utf-8")
    manifest = Manifest.read(exported_images.folder)
    for entry in manifest.files:
        if entry.recipe != "w8c_a8":
            continue
        interval = entry.parity["intervals"]["alone"]["top1"]
        low, high = interval["interval"]
        same = entry.parity["metrics"]["alone"]["top1"]
        assert 0 <= low <= same <= high <= 1
        assert f"| alone | top1 | {same:.6g} | - | {low:.5g} to {high:.5g}, n 48 |" in report
    assert "picture" in report


def test_convolutions_are_int8_and_few_taps_stay_float(exported_images: Exported) -> None:
    for entry in Manifest.read(exported_images.folder).files:
        if entry.recipe != "w8c_a8":
            continue
        kinds: dict[str, set[str]] = {}
        for tensor in entry.tensors:
            kinds.setdefault(tensor["role"], set()).add(tensor["dtype"])
        assert kinds["kernel"] == {"int8"}
        assert kinds["vector"] == {"float32"}
        wide = [t for t in entry.tensors if len(t["shape"]) == 4 and t["role"] == "vector"]
        assert all(t["shape"][1] == 1 for t in wide)
        assert bool(wide) == (exported_images.kind == "mobilenet_v2")


def test_the_delegate_takes_every_convolution_in_one_layout(exported_images: Exported) -> None:
    turned = {"resnet": 1, "mobilenet_v2": 1}
    for recipe in ("fp32", "w8c_a8"):
        file = TfliteFile(exported_images.folder / f"model.{recipe}.tflite")
        pieces, outside = file.partitions()
        assert not {"CONV_2D", "DEPTHWISE_CONV_2D"} & set(outside["main"])
        assert pieces["main"] == 1
        if exported_images.kind in turned:
            assert file.operators()["TRANSPOSE"] == turned[exported_images.kind]


def test_norms_are_folded_and_it_is_said(exported_images: Exported) -> None:
    notes = " ".join(Manifest.read(exported_images.folder).source.get("notes", ()))
    counts = {"resnet": 19, "mobilenet_v2": 52}
    if exported_images.kind in counts:
        assert f"{counts[exported_images.kind]} batch norms were folded" in notes
    else:
        assert "norm" not in notes


@pytest.mark.parametrize("target", TARGETS)
def test_files_are_classified_as_transformers_does(
    exported_images: Exported, target: str, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModelForImageClassification
    from transformers.image_utils import load_image

    paths = []
    for i, picture in enumerate(draw_pictures(12, seed=4)):
        paths.append(tmp_path / f"{i}.{'jpg' if i % 2 else 'png'}")
        Image.fromarray(picture).save(paths[-1])
    turned = Image.Exif()
    turned[0x0112] = 8
    paths.append(tmp_path / "turned.jpg")
    Image.fromarray(draw_pictures(7)[6]).save(paths[-1], exif=turned)
    source = exported_images.source
    processor = AutoImageProcessor.from_pretrained(str(source))
    model = AutoModelForImageClassification.from_pretrained(str(source)).eval()
    given = processor([load_image(str(p)) for p in paths], return_tensors="pt")
    with torch.inference_mode():
        expected = torch.softmax(model(**given).logits, dim=-1).numpy()
    found = edgekit.load(exported_images.folder, target, "fp32").classify_images(paths)
    for scores, result in zip(expected, found, strict=True):
        assert result["label"] == LABELS[scores.argmax()]
        np.testing.assert_allclose(list(result["scores"].values()), scores, atol=1e-5)


def test_a_folder_is_validated_again_alone_and_against_its_source(
    exported_images: Exported, tmp_path: Path
) -> None:
    assert edgekit.validate(exported_images.folder).passed
    for i, picture in enumerate(draw_pictures(20, seed=8)):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    again = edgekit.validate(
        exported_images.folder, reference=str(exported_images.source), cases=tmp_path
    )
    assert again.passed
    assert again.files[0].parity is not None
    assert again.files[0].parity.metrics["alone"]["n"] == 20


def test_a_folder_carries_small_pictures(exported_images: Exported) -> None:
    golden = exported_images.folder / "golden.npz"
    with np.load(golden, allow_pickle=False) as data:
        assert data["pixels"].shape == (48, 64, 64, 3)
        assert data["pixels"].dtype == np.uint8
    assert golden.stat().st_size < 700_000
