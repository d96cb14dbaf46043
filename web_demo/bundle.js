// A bundle as an app holds it: checked files, tokenizer, a runtime behind it, and the self-test.
import { Tokenizer } from "./tokenizer.js";

async function bytesAt(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export class Bundle {
  // openRunner: (contract, model bytes) -> async (row) => output numbers; see runtimes.js
  static async open(folder, openRunner) {
    const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
    const bundle = new Bundle();
    const contract = (bundle.contract = json(await bytesAt(`${folder}/contract.json`)));
    if (contract.schema !== 1) throw new Error(`contract.json has schema ${contract.schema}, this page reads 1`);
    const files = {};
    for (const { path, sha256: expected } of contract.files) {
      files[path] = await bytesAt(`${folder}/${path}`);
      if ((await sha256(files[path])) !== expected) throw new Error(`${path} is not the file that was bundled`);
    }
    bundle.tokenizer = new Tokenizer(contract, json(files[contract.tokenizer.file]));
    bundle.golden = json(files[contract.self_test.file]).cases;
    bundle.run = await openRunner(contract, files[contract.model.path]);
    return bundle;
  }

  // numbers of the first output for a text or a pair: an embedding, or logits
  async outputs(text, pair = null) {
    return this.run(this.tokenizer.encode(text, pair));
  }

  // labels with their probabilities, the likeliest first
  async classify(text, pair = null) {
    const { activation, labels } = this.contract.post;
    const logits = [...(await this.outputs(text, pair))];
    const largest = Math.max(...logits);
    const raised = logits.map((x) => Math.exp(x - largest));
    const total = raised.reduce((a, b) => a + b);
    const scores = { softmax: raised.map((x) => x / total), sigmoid: logits.map((x) => 1 / (1 + Math.exp(-x))) }[activation] ?? logits;
    return scores.map((score, i) => ({ label: labels[i] ?? String(i), score })).sort((a, b) => b.score - a.score);
  }

  // does this browser still run that model? {passed, metric, worst, problem}
  async selfTest() {
    const { metric, least, most } = this.contract.self_test;
    let worst = metric === "cosine" ? 1 : 0, squares = 0, signal = 0;
    for (const { text, pair, ids, output, positions } of this.golden) {
      if (positions) throw new Error("this page tests tasks with one output per text");
      const row = this.tokenizer.encode(text, pair);
      if (String(row.input_ids) !== String(ids)) return { passed: false, metric, worst, problem: `other ids for '${text.slice(0, 40)}'` };
      const found = await this.run(row), expected = output[0];
      const errors = expected.map((value, i) => found[i] - value);
      squares += dot(errors, errors);
      signal += dot(expected, expected);
      if (metric === "cosine") worst = Math.min(worst, cosine(expected, found));
      else if (metric === "rms_rel") worst = Math.sqrt(squares / signal);
      else worst = Math.max(worst, Math.max(...errors.map(Math.abs)) / Math.max(1, ...expected.map(Math.abs)));
    }
    const passed = metric === "cosine" ? worst >= least : worst <= most; // NaN passes neither
    return { passed, metric, worst, problem: passed ? "" : `${metric} ${worst}, ${least ?? most} allowed` };
  }
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

export function cosine(a, b) {
  return dot([...a], b) / Math.sqrt(dot([...a], a) * dot([...b], b));
}
