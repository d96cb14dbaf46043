// node check_ids.mjs TOKENIZER.JS FOLDER: {equal, different: [{text, expected, found}]} as JSON
import fs from "node:fs";
import { pathToFileURL } from "node:url";

const [, , script, folder] = process.argv;
const { Tokenizer } = await import(pathToFileURL(script));
const read = (name) => JSON.parse(fs.readFileSync(`${folder}/${name}`, "utf8"));
const tokenizer = new Tokenizer(read("contract.json"), read("vocab.json"));
let equal = 0;
const different = [];
for (const line of fs.readFileSync(`${folder}/cases.jsonl`, "utf8").trim().split("\n")) {
  const { text, pair, ids, types } = JSON.parse(line);
  const row = tokenizer.encode(text, pair);
  if (String(row.input_ids) === String(ids) && String(row.token_type_ids) === String(types)) equal++;
  else different.push({ text, expected: ids, found: row.input_ids });
}
console.log(JSON.stringify({ equal, different: different.slice(0, 5) }));
