"""web_demo in headless Chromium: both runtimes, against the same files run by Python."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.devices.browser import PageFailed, run_page
from edgekit.devices.families import FAMILIES
from edgekit.devices.places import part, way_of
from tests import app_bundles
from tests.conftest import ROOT

#: what Python and the browser may differ by: sums in another order; roundings that flip
EXACT = 1e-4

PAGE = """<!doctype html><meta charset="utf-8">
<script type="importmap">{"imports": {
  "onnxruntime-web": "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
  "@litertjs/core": "/node_modules/@litertjs/core/dist/index.js",
  "@litertjs/wasm-utils": "/node_modules/@litertjs/wasm-utils/dist/index.js"}}</script>
<script type="module">
import {report} from "/edgekit-report.mjs";
import {Bundle} from "/demo/bundle.js";
import {litertRunner, onnxRunner} from "/demo/runtimes.js";
const modules = "/node_modules";
const ort = `${modules}/onnxruntime-web/dist/`, litert = `${modules}/@litertjs/core/wasm/`;
const runners = {
  onnx: async () => onnxRunner(await import("onnxruntime-web"), ort),
  tflite: async () => litertRunner(await import("@litertjs/core"), litert),
};
const format = new URLSearchParams(location.search).get("format");
const bundle = await Bundle.open("/bundle", await runners[format]());
const {cases} = await (await fetch("/expected/expected.json")).json();
const outputs = [];
for (const {text} of cases) outputs.push([...await bundle.outputs(text)]);
const plain = bundle.contract.post.activation === "none";
const labels = plain ? [] : await bundle.classify(cases[0].text);
report({outputs, labels, selfTest: await bundle.selfTest()});
</script>"""

#: opens the demo's own page in a frame, and tells what it shows once it has tested itself
WATCHER = """<!doctype html><meta charset="utf-8"><iframe src="/demo/index.html"></iframe>
<script type="module">
import {report} from "/edgekit-report.mjs";
const page = () => document.querySelector("iframe").contentDocument;
const text = (id) => page()?.getElementById(id)?.textContent ?? "";
const shown = () => ({model: text("model"), test: text("test"), result: text("result")});
const changed = async (before) => {
  while (!text("result") || text("model") === before) await new Promise((r) => setTimeout(r, 50));
  return shown();
};
const onnx = await changed("");
const choice = page().getElementById("folder");
choice.value = "model-tflite";
choice.dispatchEvent(new Event("change"));
report([onnx, await changed(onnx.model)]);
</script>"""

wasm = next(family for family in FAMILIES.values() if family.name == "wasm")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        not (way_of(wasm, "onnx").available and way_of(wasm, "tflite").available),
        reason="the web's runtimes are not set up: make devices, and install Chromium",
    ),
]


def in_browser(made: Path, scratch: Path) -> tuple[Any, list[dict[str, Any]]]:
    """What the page reports of a bundle, and what Python gave."""
    page, expected = scratch / "page", scratch / "expected"
    page.mkdir(parents=True)
    expected.mkdir()
    (page / "index.html").write_text(PAGE, encoding="utf-8")
    cases = json.loads(made.with_name(made.name + ".json").read_text(encoding="utf-8"))["cases"]
    (expected / "expected.json").write_text(json.dumps({"cases": cases}), encoding="utf-8")
    mounts = {
        "/": page,
        "/demo/": ROOT / "web_demo",
        "/bundle/": made,
        "/expected/": expected,
        "/node_modules/": part("wasm") / "node_modules",
    }
    contract = json.loads((made / "contract.json").read_text(encoding="utf-8"))
    return run_page(mounts, f"/index.html?format={contract['model']['format']}"), cases


def worst(found: Any, cases: list[dict[str, Any]]) -> float:
    pairs = zip(found["outputs"], cases, strict=True)
    return max(abs(a - b) for out, case in pairs for a, b in zip(out, case["output"], strict=True))


@pytest.mark.demo
@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_minilm_in_the_browser(exported_demo: Path, tmp_path: Path, target: str) -> None:
    for recipe in ("fp32", "w8c_a8"):
        made = app_bundles.make(exported_demo, tmp_path / recipe, target, recipe)
        found, cases = in_browser(made, tmp_path / f"{recipe}-page")
        assert len(cases) >= 40
        assert found["selfTest"]["passed"], found["selfTest"]
        if recipe == "fp32":
            assert worst(found, cases) <= EXACT
        else:  # within the recipe's own bound of the source, on every self-test case
            bound = json.loads((made / "contract.json").read_text(encoding="utf-8"))["self_test"]
            assert found["selfTest"]["worst"] >= bound["least"]


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_a_classifier_names_its_labels(
    exported_classifier: Path, tmp_path: Path, target: str
) -> None:
    made = app_bundles.make(exported_classifier, tmp_path / "made", target, "fp32")
    found, cases = in_browser(made, tmp_path / "scratch")
    assert worst(found, cases) <= EXACT
    contract = json.loads((made / "contract.json").read_text(encoding="utf-8"))
    best = max(range(len(cases[0]["output"])), key=lambda i: cases[0]["output"][i])
    assert found["labels"][0]["label"] == contract["post"]["labels"][best]
    assert sum(label["score"] for label in found["labels"]) == pytest.approx(1)


def test_the_page_itself(
    exported_embedder: Path, exported_classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text(WATCHER, encoding="utf-8")
    one = app_bundles.make(exported_embedder, tmp_path / "one", "onnx", "w8c_a8")
    two = app_bundles.make(exported_classifier, tmp_path / "two", "tflite", "w8c_a8")
    onnx, tflite = run_page(
        {
            "/": tmp_path / "page",
            "/demo/": ROOT / "web_demo",
            "/demo/node_modules/": part("wasm") / "node_modules",
            "/demo/model-onnx/": one,
            "/demo/model-tflite/": two,
        },
        "/index.html",
    )
    assert "sentence-embedding, w8c_a8" in onnx["model"]
    assert onnx["test"].startswith("self-test passed")
    assert onnx["result"].startswith("similarity ")
    assert "text-classification, w8c_a8" in tflite["model"]
    assert tflite["test"].startswith("self-test passed")
    assert "ms" in tflite["result"]


def test_a_changed_file_does_not_open(exported_embedder: Path, tmp_path: Path) -> None:
    made = app_bundles.make(exported_embedder, tmp_path / "made", "onnx", "fp32")
    content = bytearray((made / "model.fp32.onnx").read_bytes())
    content[-1] ^= 1
    (made / "model.fp32.onnx").write_bytes(content)
    with pytest.raises(PageFailed, match="not the file that was bundled"):
        in_browser(made, tmp_path / "scratch")


def test_the_pins_are_those_of_the_set_up() -> None:
    npm = importlib.import_module("edgekit.devices.pins").NPM
    package = json.loads((ROOT / "web_demo" / "package.json").read_text(encoding="utf-8"))
    assert package["dependencies"] == npm
