// node onnx_node.mjs DIST MODEL INPUTS OUTPUTS: run a file with onnxruntime-web's wasm build, which
// is the same in Node as in a browser. INPUTS and OUTPUTS: [{name: {shape, data}}].
import fs from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const [dist, model, inputs, outputs] = process.argv.slice(2);
const ort = await import(pathToFileURL(path.join(dist, 'ort.wasm.bundle.min.mjs')));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = pathToFileURL(dist).href + '/';
ort.env.logLevel = 'error';
const session = await ort.InferenceSession.create(new Uint8Array(fs.readFileSync(model)), {
  executionProviders: ['wasm'],
});
const kinds = Object.fromEntries(session.inputMetadata.map((m) => [m.name, m.type]));
const arrays = {
  float32: (data) => Float32Array.from(data),
  int32: (data) => Int32Array.from(data),
  int64: (data) => BigInt64Array.from(data.map(BigInt)),
};
const results = [];
for (const row of JSON.parse(fs.readFileSync(inputs, 'utf8'))) {
  const feed = {};
  for (const name of session.inputNames) {
    const {shape, data} = row[name];
    const kind = kinds[name];
    feed[name] = new ort.Tensor(kind, arrays[kind](data), shape);
  }
  const found = {};
  for (const [name, value] of Object.entries(await session.run(feed))) {
    const bytes = Buffer.from(value.data.buffer, value.data.byteOffset, value.data.byteLength);
    found[name] = {shape: value.dims, data: bytes.toString('base64')};
  }
  results.push(found);
}
fs.writeFileSync(outputs, JSON.stringify(results));
