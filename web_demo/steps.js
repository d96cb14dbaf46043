// What is done to a text before its vocabulary is asked: docs/bundle.md says what each step does.

export const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\u200c\u200d"; // \w of the tokenizers library
const IDEOGRAPH = /[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff]|[\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}]|[\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;
const lower = (text) => [...text].map((c) => c.toLowerCase()).join(""); // by code point: no final sigma
export const bytesOf = (text) => [...new TextEncoder().encode(text)];

// Patterns are written for another engine: its \s is Unicode's, and (?i:...) is not known everywhere.
function pattern(source) {
  const both = (c) => `[${c.toLowerCase()}${c.toUpperCase()}${{ s: "ſ", k: "\u212a" }[c.toLowerCase()] ?? ""}]`;
  const plain = source.replace(/\(\?i:([^()\\[\]]*)\)/g, (_, body) => `(?:${body.replace(/[a-z]/gi, both)})`);
  return new RegExp(plain.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}"), "gu");
}
const GPT2 = pattern("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
const WORDS = new RegExp(`[${WORD}]+|[^${WORD}\\p{White_Space}]+`, "gu");

// bytes that are printable in Latin-1 stand for themselves, the others for 256, 257, ...
let other = 256;
const BYTES = Array.from({ length: 256 }, (_, b) =>
  String.fromCodePoint((b > 32 && b < 127) || (b > 160 && b !== 173) ? b : other++));

// vocab.json's flat first and last code points as a class of a pattern
export function classOf(flat = [0, 0]) {
  const escaped = flat.map((point) => `\\u{${point.toString(16)}}`);
  return new RegExp(`[${escaped.map((c, i) => c + (i % 2 ? "" : "-")).join("")}]`, "gu");
}

export const NORMALIZE = {
  bert(text, step, classes) {
    if (step.clean) {
      text = text.replace(classes.control, (c) => ("\t\n\r".includes(c) ? c : "")).replace(/\p{White_Space}/gu, " ");
    }
    if (step.cjk) text = text.replace(IDEOGRAPH, " $& ");
    if (step.strip_accents) text = text.normalize("NFD").replace(classes.mark, "");
    return step.lower ? lower(text) : text;
  },
  nfc: (text) => text.normalize("NFC"),
  nfd: (text) => text.normalize("NFD"),
  nfkc: (text) => text.normalize("NFKC"),
  nfkd: (text) => text.normalize("NFKD"),
  lower,
  strip_accents: (text, step, classes) => text.replace(classes.combining, ""),
  prepend: (text, step) => text && step.text + text,
  replace: (text, step) => text.replaceAll(step.from, step.to),
  strip: (text, step) => text.replace(step.left ? /^\p{White_Space}+/u : "", "").replace(step.right ? /\p{White_Space}+$/u : "", ""),
};

// a text in pieces: what matches and what lies between, joined as the behaviour says
function cut(text, regex, behavior, invert = false) {
  const parts = [];
  let from = 0;
  for (const { 0: hit, index } of [...text.matchAll(regex), { 0: "", index: text.length }]) {
    if (index > from) parts.push([text.slice(from, index), invert]);
    if (hit) parts.push([hit, !invert]);
    from = index + hit.length;
  }
  if (behavior === "removed") return parts.filter(([, hit]) => !hit).map(([part]) => part);
  const backwards = behavior === "merged_with_next", out = [];
  let last = null;
  for (const [part, hit] of backwards ? parts.reverse() : parts) {
    const joins = behavior === "contiguous" ? hit === last : behavior !== "isolated" && hit && last === false;
    if (joins) out.push(backwards ? part + out.pop() : out.pop() + part);
    else out.push(part);
    last = hit;
  }
  return backwards ? out.reverse() : out;
}

export const SPLIT = {
  bert: (text, step, classes) =>
    cut(text, /\p{White_Space}/gu, "removed").flatMap((word) => cut(word, classes.punctuation, "isolated")),
  bytes(text, step) {
    if (step.prefix_space && !text.startsWith(" ")) text = ` ${text}`;
    return (step.regex ? cut(text, GPT2, "isolated") : [text]).map((part) => bytesOf(part).map((b) => BYTES[b]).join(""));
  },
  regex: (text, step) => cut(text, (step.compiled ??= pattern(step.pattern)), step.behavior, step.invert),
  metaspace(text, step, classes, first) {
    text = text.replaceAll(" ", step.text);
    const wanted = step.prefix === "always" || (step.prefix === "first" && first);
    if (wanted && !text.startsWith(step.text)) text = step.text + text;
    return step.split ? cut(text, new RegExp(step.text, "gu"), "merged_with_next") : [text];
  },
  digits: (text, step) => cut(text, /\p{N}/gu, step.individual ? "isolated" : "contiguous"),
  whitespace: (text) => text.match(WORDS) ?? [],
  punctuation: (text, step, classes) => cut(text, classes.punctuation, step.behavior),
};
