// Text to ids by a bundle's contract.json and vocab.json, as the tokenizers library does it.
import { NORMALIZE, SPLIT, WORD, bytesOf, classOf } from "./steps.js";

export class Tokenizer {
  constructor(contract, vocabulary) {
    const t = (this.t = contract.tokenizer);
    const known = [...t.normalize.map(({ op }) => op in NORMALIZE), ...t.split.map(({ op }) => op in SPLIT)];
    if (contract.schema > 1 || known.includes(false)) throw new Error("the bundle is newer than this tokenizer");
    this.contract = contract;
    this.ids = new Map(vocabulary.tokens.map((token, id) => [token, id]));
    this.classes = Object.fromEntries(Object.entries(vocabulary.classes ?? {}).map(([k, v]) => [k, classOf(v)]));
    const merges = vocabulary.merges ?? [];
    this.ranks = new Map();
    for (let i = 0; i < merges.length; i += 3) this.ranks.set(`${merges[i]} ${merges[i + 1]}`, [i, merges[i + 2]]);
    const byLength = (tokens) => tokens.sort((a, b) => b.text.length - a.text.length);
    this.raw = byLength(t.added.filter((token) => !token.normalized));
    this.later = byLength(t.added.filter((token) => token.normalized).map((a) => ({ ...a, text: this.#normalize(a.text) })));
  }

  // ids, mask and types of a text or a pair of texts, cut to the contract's length, not filled up
  encode(text, pair = null) {
    const template = pair === null ? this.t.single : this.t.pair;
    const room = this.contract.max_length - template.filter((step) => "id" in step).length;
    const texts = this.#truncate(this.#ids(text), pair === null ? [] : this.#ids(pair), room);
    const rows = template.flatMap(({ id, text: which, type }) => (texts[which] ?? [id]).map((n) => [n, type]));
    if (!rows.length) rows.push([this.contract.pad_id, 0]);
    const [input_ids, token_type_ids] = [0, 1].map((i) => rows.map((row) => row[i]));
    return { input_ids, attention_mask: rows.map(() => 1), token_type_ids };
  }

  #normalize(text) {
    return this.t.normalize.reduce((now, step) => NORMALIZE[step.op](now, step, this.classes), text);
  }

  #ids(text) {
    const inside = (part) => (part.id === undefined ? this.#cutAdded(this.#normalize(part), this.later) : [part]);
    return this.#cutAdded(text, this.raw).flatMap(inside).flatMap((part, i) => {
      if (part.id !== undefined) return [part.id];
      const split = (words, step) => words.flatMap((word, j) => SPLIT[step.op](word, step, this.classes, i + j === 0));
      const words = this.t.split.reduce(split, [part]).filter((word) => word);
      return words.flatMap((word) => (this.t.kind === "bpe" ? this.#bpe(word) : this.#wordPiece(word)));
    });
  }

  // added tokens, and the text between them
  #cutAdded(text, tokens) {
    const out = [], inWord = new RegExp(`[${WORD}]`, "u");
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const hit = tokens.find((token) => token.text && text.startsWith(token.text, at));
      if (!hit) continue;
      const end = at + hit.text.length, before = [...text.slice(0, at)].at(-1) ?? "", after = [...text.slice(end)][0] ?? "";
      if (hit.single_word && (inWord.test(before) || inWord.test(after))) at = end - 1;
      else {
        out.push(text.slice(from, at).replace(hit.lstrip ? /\p{White_Space}+$/u : "", ""), hit);
        from = hit.rstrip ? end + text.slice(end).match(/^\p{White_Space}*/u)[0].length : end;
        at = from - 1;
      }
    }
    return [...out, text.slice(from)].filter((part) => part);
  }

  #wordPiece(word) {
    const letters = [...word], out = [];
    for (let from = 0, to; from < letters.length && letters.length <= this.t.max_word; from = to) {
      const piece = () => this.ids.get((from ? this.t.continuing : "") + letters.slice(from, to).join(""));
      for (to = letters.length; to > from && piece() === undefined; ) to--;
      if (to === from) return [this.t.unk_id];
      out.push(piece());
    }
    return out.length ? out : [this.t.unk_id];
  }

  #bpe(word) {
    if (this.t.ignore_merges && this.ids.has(word)) return [this.ids.get(word)];
    const ids = this.#symbols([...word]);
    for (;;) {
      let best = [Infinity], at = -1;
      for (let i = 0; i + 1 < ids.length; i++) {
        const found = this.ranks.get(`${ids[i]} ${ids[i + 1]}`);
        if (found && found[0] < best[0]) [best, at] = [found, i];
      }
      if (at < 0) return ids;
      ids.splice(at, 2, best[1]);
    }
  }

  // the characters of a word as ids, before any merge
  #symbols(letters) {
    const { continuing, end_of_word, unk_id, byte_fallback, fuse_unk } = this.t, out = [];
    let joins = false; // the last was unknown, and the next joins it
    letters.forEach((c, i) => {
      const id = this.ids.get((i ? continuing : "") + c + (i === letters.length - 1 ? end_of_word : ""));
      const hex = byte_fallback ? bytesOf(c).map((b) => b.toString(16).toUpperCase().padStart(2, "0")) : [""];
      const found = id === undefined ? hex.map((b) => this.ids.get(`<0x${b}>`)) : [id];
      const unknown = found.includes(undefined);
      if (!unknown) out.push(...found);
      else if (unk_id !== null && !joins) out.push(unk_id);
      joins = unknown && fuse_unk;
    });
    return out;
  }

  // longest first, as the tokenizers library cuts pairs
  #truncate(a, b, room) {
    let [less, more] = [a.length, b.length].sort((x, y) => x - y);
    if (less + more > room) {
      more = less > room ? less : Math.max(less, room - less);
      if (less + more > room) [less, more] = [room >> 1, (room >> 1) + (room % 2)];
    }
    const [na, nb] = a.length > b.length ? [more, less] : [less, more];
    const keep = (ids, n) => (this.t.truncation_side === "left" ? ids.slice(Math.max(0, ids.length - n)) : ids.slice(0, n));
    return { a: keep(a, na), b: keep(b, nb) };
  }
}
