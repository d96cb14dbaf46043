// The page: two texts and their similarity, or one text and its labels, by either runtime.
import { Bundle, cosine } from "./bundle.js";
import { litertRunner, onnxRunner } from "./runtimes.js";

const element = (id) => document.getElementById(id);
const base = new URL("node_modules/", document.baseURI).href;
let bundle = null;

const runners = {
  "model-onnx": async () => onnxRunner(await import("onnxruntime-web"), `${base}onnxruntime-web/dist/`),
  "model-tflite": async () => litertRunner(await import("@litertjs/core"), `${base}@litertjs/core/wasm/`),
};

async function load() {
  bundle = null;
  element("result").textContent = "";
  element("test").textContent = "";
  element("model").textContent = "loading …";
  const folder = element("folder").value;
  const opened = await Bundle.open(folder, await runners[folder]());
  const { model, name, task, post } = opened.contract;
  element("model").textContent = `${name}: ${task}, ${model.recipe}, ${(model.bytes / 1e6).toFixed(1)} MB of ${model.format}`;
  element("second-label").hidden = post.activation !== "none";
  const test = await opened.selfTest();
  element("test").textContent = test.passed
    ? `self-test passed: every checksum, every id, ${test.metric} ${test.worst.toFixed(6)} at worst`
    : `self-test FAILED: ${test.problem}`;
  element("test").className = test.passed ? "" : "failed";
  if (!test.passed) return;
  bundle = opened;
  await show();
}

async function show() {
  if (!bundle) return;
  const start = performance.now();
  let text;
  if (bundle.contract.post.activation === "none") {
    const [a, b] = [await bundle.outputs(element("first").value), await bundle.outputs(element("second").value)];
    text = `similarity ${cosine(a, b).toFixed(3)}`;
  } else {
    const found = await bundle.classify(element("first").value);
    text = found.slice(0, 5).map(({ label, score }) => `${label} ${score.toFixed(3)}`).join("\n");
  }
  element("result").textContent = `${text}\n${(performance.now() - start).toFixed(0)} ms`;
}

const told = (error) => {
  element("test").textContent = String(error.message ?? error);
  element("test").className = "failed";
};
element("folder").addEventListener("change", () => load().catch(told));
for (const id of ["first", "second"]) element(id).addEventListener("input", () => show().catch(told));
load().catch(told);
