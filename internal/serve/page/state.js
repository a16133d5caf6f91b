// What the user asks for, how it reads as an address, and as a request to the API.
import { byteLength } from "./dom.js";

export const ks = [5, 10, 20, 30, 50, 75, 100, 200, 500];
export const candidateSteps = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

const defaults = { text: "", kind: "image", k: 30, candidates: 200 };

/** A photo or an item to search with: {item | file, photo (its name at the server), url, weight}. */
export const state = {
  ...defaults,
  parts: [],
  tags: new Map(), // tag → "all", "any" or "none"
  weights: new Map(), // word in lower case → weight
};

/** asksNothing says that there is nothing to search for. */
export const asksNothing = () => state.text.trim() === "" && state.parts.length === 0;

export function reset() {
  Object.assign(state, { text: "", parts: [] });
  state.tags.clear();
  state.weights.clear();
}

/** address is the state as the part of the page's address behind "?". Photos of the user's own do not fit in there. */
export function address() {
  const a = new URLSearchParams();
  if (state.text.trim()) a.set("q", state.text);
  for (const p of state.parts) if (p.item) a.append("like", p.weight === 1 ? p.item : `${p.item}^${p.weight}`);
  for (const [tag, mode] of state.tags) a.append(mode, tag);
  for (const [word, weight] of state.weights) if (weight !== 1) a.append("word", `${word}^${weight}`);
  for (const key of ["kind", "k", "candidates"]) if (state[key] !== defaults[key]) a.set(key, state[key]);
  const s = a.toString();
  return s ? `?${s}` : location.pathname;
}

/** restore takes the state from an address. */
export function restore(search) {
  const a = new URLSearchParams(search);
  reset();
  Object.assign(state, defaults);
  state.text = a.get("q") ?? "";
  for (const v of a.getAll("like")) {
    const [id, weight] = weighed(v);
    state.parts.push({ item: id, weight: clamp(weight, -2, 2) || 1 });
  }
  for (const mode of ["all", "any", "none"]) for (const tag of a.getAll(mode)) state.tags.set(tag, mode);
  for (const v of a.getAll("word")) {
    const [word, weight] = weighed(v);
    state.weights.set(word, clamp(weight, 0, 3));
  }
  if (a.get("kind") === "caption") state.kind = "caption";
  state.k = nearest(ks, Number(a.get("k")) || defaults.k);
  state.candidates = nearest(candidateSteps, Number(a.get("candidates")) || defaults.candidates);
}

function weighed(s) {
  const at = s.lastIndexOf("^");
  const weight = Number(s.slice(at + 1));
  return at > 0 && s.slice(at + 1) !== "" && Number.isFinite(weight) ? [s.slice(0, at), weight] : [s, 1];
}

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

export const nearest = (steps, x) => steps.reduce((best, s) => (Math.abs(s - x) < Math.abs(best - x) ? s : best));

/** words finds the words of a text: [{word, start, end}] in UTF-16 units. */
export function words(text) {
  return [...text.matchAll(/[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)*/gu)].map((m) => ({ word: m[0], start: m.index, end: m.index + m[0].length }));
}

/** nearestText is a text with the words that were meant, perhaps, for unknown ones: [{start, end, nearest}] in bytes. */
export function nearestText(text, unknown) {
  const bytes = new TextEncoder().encode(text);
  const part = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  let at = 0;
  let out = "";
  for (const u of unknown) {
    if (!u.nearest || u.start < at || part(u.start, u.end) !== u.word) continue;
    out += part(at, u.start) + u.nearest;
    at = u.end;
  }
  return out + part(at, bytes.length);
}

/** request is the search as the API reads it, and the files that go with it. */
export function request(bothKinds) {
  const files = new Map();
  const body = { k: state.k, candidates: Math.max(state.candidates, state.k) };
  if (state.text.trim()) body.query = state.text;
  const weights = words(state.text)
    .filter((w) => (state.weights.get(w.word.toLowerCase()) ?? 1) !== 1)
    .map((w) => ({ start: byteLength(state.text.slice(0, w.start)), end: byteLength(state.text.slice(0, w.end)), weight: state.weights.get(w.word.toLowerCase()) }));
  if (weights.length) body.word_weights = weights;
  if (state.parts.length) {
    body.parts = state.parts.map((p, i) => {
      if (p.item) return { item: p.item, weight: p.weight };
      if (p.photo) return { photo: p.photo, weight: p.weight };
      files.set(`photo${i}`, p.file);
      return { photo: `photo${i}`, weight: p.weight };
    });
  }
  const tags = filter();
  if (tags) body.tags = tags;
  if (bothKinds) body.kinds = [state.kind];
  return { body, files };
}

const quoted = (tag) => `"${tag.replace(/["\\]/g, "\\$&")}"`;

/** filter is the condition on tags that the chips say. */
export function filter() {
  const of = (mode) => [...state.tags].filter(([, m]) => m === mode).map(([t]) => quoted(t));
  const terms = of("all");
  const any = of("any");
  if (any.length) terms.push(`(${any.join(" or ")})`);
  terms.push(...of("none").map((t) => `not ${t}`));
  return terms.join(" and ");
}
