// The two runtimes behind one function: (contract, model bytes) -> async (row) => output numbers.

// onnxruntime-web, given its module and the folder of its .wasm files
export const onnxRunner = (ort, wasmPaths) => async (contract, bytes) => {
  ort.env.wasm.wasmPaths = wasmPaths;
  ort.env.wasm.numThreads = 1; // more need cross-origin isolation
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  return async (row) => {
    const length = row.input_ids.length;
    const inputs = contract.inputs.map(({ name }) =>
      [name, new ort.Tensor("int64", BigInt64Array.from(row[name], BigInt), [1, length])]);
    const outputs = await session.run(Object.fromEntries(inputs));
    return outputs[contract.outputs[0].name].data;
  };
};

// LiteRT's web runtime, given its module and the folder of its .wasm files
export const litertRunner = (litert, wasmFolder) => async (contract, bytes) => {
  await litert.loadLiteRt(wasmFolder);
  const model = await litert.loadAndCompile(bytes, { accelerator: "wasm" });
  return async (row) => {
    const bucket = contract.buckets.find(({ length }) => length >= row.input_ids.length);
    if (!bucket) throw new Error(`${row.input_ids.length} tokens exceed the largest signature`);
    const inputs = Object.fromEntries(contract.inputs.map(({ name }) => {
      const filled = new Int32Array(bucket.length).fill(name === "input_ids" ? contract.pad_id : 0);
      filled.set(row[name], contract.padding_side === "left" ? bucket.length - row[name].length : 0);
      return [name, new litert.Tensor(filled, [1, bucket.length])];
    }));
    const outputs = await model.run(bucket.signature, inputs);
    const result = Float32Array.from(outputs[contract.outputs[0].name].toTypedArray());
    for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    return result;
  };
};
