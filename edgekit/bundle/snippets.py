"""The lines by which an app runs its bundle: Kotlin, Swift, JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any, Literal

Language = Literal["kotlin", "swift", "javascript"]

_KOTLIN_ONNX = """\
// android_demo/core reads the bundle; com.microsoft.onnxruntime:onnxruntime-android runs it
val bundle = Bundle.open(folder)   // a copy of this folder in filesDir; checks every sha256
val row = bundle.tokenizer().encode("some text")
val session = environment.createSession(File(folder, "$path").path)
val inputs = mapOf($kotlin_inputs)
    .mapValues { OnnxTensor.createTensor(environment, arrayOf(it.value)) }
session.run(inputs).use { it.get("$output").get().value }   // $what
"""

_KOTLIN_TFLITE = """\
// android_demo/core reads the bundle; com.google.ai.edge.litert:litert runs it
val bundle = Bundle.open(folder)   // a copy of this folder in filesDir; checks every sha256
val row = bundle.tokenizer().encode("some text")
val bucket = bundle.contract().bucketFor(row.length())   // lengths: $lengths
val padded = row.padTo(bucket.length(), bundle.contract())
fun ints(values: LongArray) = arrayOf(values.map { it.toInt() }.toIntArray())   // [1, length]
val result = arrayOf(FloatArray($size))   // $what
interpreter.runSignature(mapOf($kotlin_padded),
    mapOf("$output" to result), bucket.signature())
"""

_KOTLIN_GENERATION = """\
// android_demo/core reads the bundle; runner is a LanguageRunner over onnxruntime-android
val bundle = Bundle.open(folder)   // a copy of this folder in filesDir; checks every sha256
val writer = TextWriter(bundle, runner)
val settings = TextWriter.Settings.greedy(100)   // or Settings.topK(100, 40, 0.8, seed)
writer.write("Once upon a time", settings) { piece -> print(piece) }
"""

_GENERATION = """\
// contract.json's "generation" has the cache's tensors of $path (docs/bundle.md): begin with
// length 0, feed each present.* as the next step's past.*, and stop at eos_ids
"""

_SWIFT_ONNX = """\
// onnxruntime-objc runs it; contract.json says how ids are made (docs/bundle.md)
let session = try ORTSession(env: environment, modelPath: folder + "/$path", sessionOptions: nil)
func tensor(_ values: [Int64]) throws -> ORTValue {
    let data = NSMutableData(bytes: values, length: 8 * values.count)
    let shape: [NSNumber] = [1, NSNumber(value: values.count)]
    return try ORTValue(tensorData: data, elementType: .int64, shape: shape)
}
let result = try session.run(withInputs: [$swift_inputs],
                             outputNames: ["$output"], runOptions: nil)   // $what
"""

_SWIFT_TFLITE = """\
// TensorFlowLiteSwift runs it; contract.json says how ids are made (docs/bundle.md)
let interpreter = try Interpreter(modelPath: folder + "/$path")
let runner = try interpreter.signatureRunner(with: "$signature")   // lengths: $lengths
for (name, values) in [$swift_padded] {   // Int32, filled up to the length
    try runner.copy(values.withUnsafeBytes { Data($$0) }, toInputNamed: name)
}
try runner.invoke()
let result = try runner.output(named: "$output")   // $what
"""

_JAVASCRIPT_ONNX = """\
// web_demo/ has tokenizer.js and steps.js; npm install onnxruntime-web
const contract = await (await fetch(`$${folder}/contract.json`)).json();
const tokenizer = new Tokenizer(contract, await (await fetch(`$${folder}/vocab.json`)).json());
const session = await ort.InferenceSession.create(`$${folder}/$path`);
const row = tokenizer.encode("some text");   // {input_ids, attention_mask, token_type_ids}
const inputs = Object.fromEntries(contract.inputs.map(({ name }) =>
  [name, new ort.Tensor("int64", BigInt64Array.from(row[name], BigInt), [1, row[name].length])]));
const result = (await session.run(inputs))["$output"].data;   // $what
"""

_JAVASCRIPT_TFLITE = """\
// web_demo/ has tokenizer.js and steps.js; npm install @litertjs/core
const contract = await (await fetch(`$${folder}/contract.json`)).json();
const tokenizer = new Tokenizer(contract, await (await fetch(`$${folder}/vocab.json`)).json());
const model = await loadAndCompile(`$${folder}/$path`, { accelerator: "wasm" });
const row = tokenizer.encode("some text");
const bucket = contract.buckets.find(({ length }) => length >= row.input_ids.length);   // $lengths
const inputs = Object.fromEntries(contract.inputs.map(({ name }) =>
  [name, new Tensor(Int32Array.from(pad(row[name], bucket.length)), [1, bucket.length])]));
const outputs = await model.run(bucket.signature, inputs);
const result = outputs["$output"].toTypedArray();   // $what
"""

_TEMPLATES = {
    ("kotlin", "onnx"): _KOTLIN_ONNX,
    ("kotlin", "tflite"): _KOTLIN_TFLITE,
    ("swift", "onnx"): _SWIFT_ONNX,
    ("swift", "tflite"): _SWIFT_TFLITE,
    ("javascript", "onnx"): _JAVASCRIPT_ONNX,
    ("javascript", "tflite"): _JAVASCRIPT_TFLITE,
}


def snippet_for(contract: Mapping[str, Any], language: str) -> str:
    """Code for one bundle, its names and lengths filled in.

    Args:
      contract: the content of contract.json.
      language: "kotlin", "swift" or "javascript".
    """
    names = [spec["name"] for spec in contract["inputs"]]
    output, buckets = contract["outputs"][0], contract["buckets"]
    fields = {"input_ids": "ids", "attention_mask": "mask", "token_type_ids": "types"}

    def pairs(pattern: str) -> str:
        return ", ".join(pattern.format(name=n, field=fields.get(n, n)) for n in names)

    template = _TEMPLATES[language, contract["model"]["format"]]
    if "generation" in contract:
        template = _KOTLIN_GENERATION if language == "kotlin" else _GENERATION
    return Template(template).substitute(
        path=contract["model"]["path"],
        output=output["name"],
        what=_meaning(contract),
        size=output["shape"][-1],
        lengths=", ".join(str(b["length"]) for b in buckets),
        signature=buckets[0]["signature"] if buckets else "",
        kotlin_inputs=pairs('"{name}" to row.{field}()'),
        kotlin_padded=pairs('"{name}" to ints(padded.{field}())'),
        swift_inputs=pairs('"{name}": try tensor({field})'),
        swift_padded=pairs('("{name}", {field})'),
    )


def _meaning(contract: Mapping[str, Any]) -> str:
    """What stands in the output, in a few words."""
    post, shape = contract["post"], contract["outputs"][0]["shape"]
    dims = " x ".join(str(n) for n in shape if n != "batch")
    if post["activation"] != "none":
        return f"float32, {dims}: logits, {post['activation']} makes them probabilities"
    return f"float32, {dims}" + (", of length 1" if post["normalize"] else "")
