"""The light side of image models: contracts, golden files, pictures in, labels out; no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import ArtifactError, CasesError, UsageError
from edgekit.parity.golden_rows import pack_rows, unpack_rows
from edgekit.preprocessing import Preprocessing
from edgekit.runtime.model import Model
from edgekit.tasks import Example, get_task
from edgekit.tasks.builtin_cases import builtin_cases
from edgekit.tasks.image_cases import DRAWN, image_example, read_image_cases

PREPROCESSING = Preprocessing(40, (32, 24), "BICUBIC", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
CONTRACT = Contract(
    task="image-classification",
    architecture="resnet",
    inputs=(TensorSpec("pixel_values", "float32", ("batch", 3, 32, 24)),),
    outputs=(TensorSpec("logits", "float32", ("batch", 3)),),
    input_kind="image",
    labels=("red", "green", "blue"),
    problem_type="single_label",
    preprocessing=PREPROCESSING,
)


class Brightest:
    """A session whose logits are the mean of each channel."""

    buckets: tuple[int, ...] = ()

    def run(self, inputs: Mapping[str, Any], entry: str = "main") -> dict[str, Any]:
        assert inputs["pixel_values"].dtype == np.float32
        assert inputs["pixel_values"].shape[1:] == (3, 32, 24)
        return {"logits": inputs["pixel_values"].mean(axis=(2, 3))}


def model() -> Model:
    return Model("colors", CONTRACT, None, Brightest())


def plain_picture(color: tuple[int, int, int], height: int = 50, width: int = 70) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def test_a_contract_of_pictures_comes_back_from_json() -> None:
    data = json.loads(json.dumps(CONTRACT.to_json()))
    assert Contract.from_json(data) == CONTRACT
    assert data["preprocessing"]["resize"] == {"shortest_edge": 40}


def test_a_contract_of_text_says_nothing_of_pictures() -> None:
    ids = TensorSpec("input_ids", "int64", ("batch", "length"))
    text = Contract("text-classification", "bert", (ids,), CONTRACT.outputs, 9, 0)
    assert "preprocessing" not in text.to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"preprocessing": None},
        {"preprocessing": {**PREPROCESSING.to_json(), "crop": {"height": 8, "width": 8}}},
        {"preprocessing": {**PREPROCESSING.to_json(), "std": [1, 1, 0]}},
        {"input_kind": "arrays"},
        {"max_length": 5},
    ],
)
def test_contracts_that_contradict_themselves_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="contract"):
        Contract.from_json({**CONTRACT.to_json(), **change})


def test_a_folder_keeps_pixels_and_gives_the_same_rows_back() -> None:
    examples = builtin_cases(CONTRACT)
    assert len(examples) == DRAWN
    rows = get_task(CONTRACT.task).prepare(examples, CONTRACT, None)
    packed = pack_rows(examples, rows, CONTRACT)
    assert packed["pixels"].dtype == np.uint8
    again, rows_again = unpack_rows(packed, CONTRACT)
    for row, other in zip(rows, rows_again, strict=True):
        np.testing.assert_array_equal(row["pixel_values"], other["pixel_values"])
    third = get_task(CONTRACT.task).prepare(again, CONTRACT, None)
    np.testing.assert_array_equal(third[7]["pixel_values"], rows[7]["pixel_values"])


def test_pixels_of_another_size_are_told() -> None:
    packed = {"texts": np.array(["a"]), "pixels": np.zeros((1, 24, 32, 3), np.uint8)}
    with pytest.raises(ValueError, match="pixels"):
        unpack_rows(packed, CONTRACT)
    wide = replace(CONTRACT, preprocessing=Preprocessing((9, 9), None))
    example = Example("a", arrays={"pixels": np.zeros((32, 24, 3), np.uint8)})
    with pytest.raises(CasesError, match="9 x 9"):
        get_task(CONTRACT.task).prepare([example], wide, None)


def test_pictures_get_labels_from_paths_and_from_pixels(tmp_path: Path) -> None:
    colors = {"red": (250, 20, 20), "green": (10, 240, 30), "blue": (5, 5, 200)}
    images: list[Any] = [plain_picture(c) for c in colors.values()]
    for name, image in zip(colors, images, strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in colors]
    by_path = model().classify_images([str(paths[0]), *paths[1:]])
    assert [r["label"] for r in by_path] == list(colors)
    assert model().classify_images(images) == by_path
    assert model().classify_images(np.stack(images)) == by_path
    assert sum(by_path[0]["scores"].values()) == pytest.approx(1)
    assert model().classify_images([]) == []


@pytest.mark.parametrize(
    "images",
    [
        "a.png",
        Path("a.png"),
        plain_picture((1, 2, 3)),
        [plain_picture((1, 2, 3)).astype(np.float32)],
        [plain_picture((1, 2, 3))[..., 0]],
        [np.zeros((0, 5, 3), np.uint8)],
        [7],
    ],
)
def test_what_is_no_list_of_pictures_is_told(images: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        model().classify_images(images)


def test_files_that_are_no_pictures_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    for name in ("a.png", "b.png"):
        with pytest.raises(CasesError, match=name):
            model().classify_images([tmp_path / name])


def test_methods_of_text_name_the_right_one() -> None:
    with pytest.raises(UsageError) as error:
        model().classify(["a text"])
    assert "classify_images" in error.value.hint
    with pytest.raises(UsageError) as error:
        model().is_cut(["a text"])
    assert "classify_images" in error.value.hint


def test_cases_are_the_pictures_of_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.bmp"):
        Image.fromarray(plain_picture((9, 9, 9))).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    found = read_image_cases(tmp_path, PREPROCESSING)
    assert [e.text for e in found] == ["a.JPG", "b.png", "c.bmp"]
    # in the model's size already, and nothing larger is kept
    shapes = [{n: a.shape for n, a in (e.arrays or {}).items()} for e in found]
    assert shapes == [{"pixels": (32, 24, 3)}] * 3
    assert [e.text for e in read_image_cases(tmp_path / "b.png", PREPROCESSING)] == ["b.png"]


def test_an_empty_or_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="holds no pictures"):
        read_image_cases(tmp_path, PREPROCESSING)
    with pytest.raises(CasesError, match="does not exist"):
        read_image_cases(tmp_path / "nothing", PREPROCESSING)


def test_an_example_is_named_after_its_file(tmp_path: Path) -> None:
    Image.fromarray(plain_picture((1, 2, 3))).save(tmp_path / "one.png")
    assert image_example(tmp_path / "one.png", "0").text == "one.png"
    assert image_example(plain_picture((1, 2, 3)), "picture 0").text == "picture 0"
