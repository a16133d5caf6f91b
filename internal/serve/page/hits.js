// The list of hits: cards in rows, words that light up regions, and a way through by keyboard.
import { $, el, icon, plural } from "./dom.js";
import { clear, draw, more, nameOf, placeOf, strengths, strongest } from "./regions.js";

const list = $("hits");
let shown = [];

/** show lists hits. on: {open(i), like(hit), from(part, words)}. */
export function show(answer, on) {
  shown = answer.hits;
  name(shown);
  strengths(shown, answer.nothing_fits);
  list.replaceChildren(...shown.map((h, i) => card(h, i, answer, on)));
  delete list.dataset.stale;
}

/** append lists further hits of the same search, but for those that are listed. It says how many are new. */
export function append(answer, on) {
  const known = new Set(shown.map((h) => h.id));
  const fresh = answer.hits.filter((h) => !known.has(h.id));
  name(fresh);
  more(fresh);
  for (const h of fresh) {
    h.rank = shown.push(h);
    list.append(card(h, h.rank - 1, answer, on));
  }
  return fresh.length;
}

const name = (hits) => {
  for (const h of hits) for (const [i, w] of (h.words ?? []).entries()) w.name = nameOf(w, i);
};

/** browse lists items that nobody searched for. */
export function browse(items, on) {
  shown = items.map((it, i) => ({ ...it, rank: i + 1, words: [] }));
  list.replaceChildren(...shown.map((h, i) => card(h, i, null, on)));
  delete list.dataset.stale;
}

export const hits = () => shown;

/** waiting shows frames without photos. */
export function waiting() {
  list.replaceChildren(...Array.from({ length: 10 }, (_, i) => el("li.hit.skeleton", { "aria-hidden": "true", "--a": [1.33, 1, 1.5, 0.8][i % 4] }, el("span.frame"))));
}

/** stale dims what is shown while something else is on its way. */
export const stale = () => {
  list.dataset.stale = "";
};

/** picture is the frame of a hit: its photo, a caption, or regions on nothing. */
export function picture(hit, size) {
  const frame = el("span.frame");
  if (hit.kind === "caption") {
    frame.append(el("span.quote", {}, `“${hit.text}”`));
  } else if (hit.photo) {
    frame.append(el("img", {
      src: `${hit.photo.thumb}?size=${size}`, alt: "", decoding: "async", loading: hit.rank > 12 ? "lazy" : "eager",
      width: hit.photo.width, height: hit.photo.height, draggable: false,
    }));
    frame.firstChild.addEventListener("error", () => blank(frame, hit), { once: true });
  } else {
    blank(frame, hit);
  }
  return frame;
}

function blank(frame, hit) {
  frame.querySelector("img")?.remove();
  frame.classList.add("blank");
  frame.append(el("span.no-photo", {}, hit.photo ? `${hit.id}: the photo cannot be shown` : hit.id));
}

/** aspect is width ÷ height of a hit's frame, kept from extremes that would break the rows. */
export function aspect(hit, least = 0.55, most = 2.6) {
  if (hit.kind === "caption" || !hit.photo) return 1.33;
  return Math.min(Math.max(hit.photo.width / hit.photo.height, least), most);
}

const titleOf = (hit) => (hit.kind === "caption" ? hit.text : hit.id);

function card(hit, i, answer, on) {
  const frame = picture(hit, 320);
  const words = hit.words ?? [];
  const about = el("span.quiet", {}, spoken(hit));
  const open = el("button.open", {
    type: "button", tabIndex: i === 0 ? 0 : -1, "aria-label": `${hit.rank}. ${titleOf(hit)}`, onclick: () => on.open(i),
    "aria-describedby": `about-${i}`,
  }, frame, answer && el("span.rank", { "aria-hidden": "true" }, String(hit.rank)));
  about.id = `about-${i}`;
  const photo = el("div.photo", {}, open, el("button.like", {
    type: "button", tabIndex: -1, title: "More like this (L)", onclick: () => on.like(hit), "aria-label": `More like ${titleOf(hit)}`,
  }, icon("like")));
  const li = el(hit.kind === "caption" ? "li.hit.caption" : "li.hit", { "--a": aspect(hit).toFixed(4) }, photo, about);
  const light = lighter(hit, frame, li, on);
  if (hit.kind === "caption" && answer?.parts.some((p) => p.kind !== "text")) quoteWords(hit, frame.querySelector(".quote"), light);
  if (answer) li.append(el("div.about-hit", {}, ...sentences(hit, answer, light), scores(hit, answer)));
  else if (hit.kind !== "caption" && hit.photo) li.append(el("div.about-hit", {}, el("p.file", {}, hit.id)));
  if (words.length) {
    photo.addEventListener("mouseenter", () => light.all());
    photo.addEventListener("mouseleave", () => light.none());
    open.addEventListener("focus", () => light.all());
    open.addEventListener("blur", () => light.none());
  }
  return li;
}

/** lighter draws the regions of one hit, on its frame or, for a caption, on the photo that found it. */
export function lighter(hit, frame, root, on) {
  const target = (words, alone) => {
    if (hit.kind === "image") draw(frame, words, { alone });
    for (const part of new Set((hit.words ?? []).map((w) => w.part))) on.from?.(part, words.filter((w) => w.part === part), hit.kind === "image");
  };
  const mark = (word) => {
    for (const node of root.querySelectorAll(".w")) node.classList.toggle("on", node.word === word && word !== undefined);
  };
  return {
    all() {
      mark();
      target(strongest(hit.words ?? []), false);
    },
    one(word) {
      mark(word);
      target([word], true);
    },
    none() {
      mark();
      clear(frame);
      on.from?.(-1, []);
    },
  };
}

/** wordNode shows a word in the colour of its similarity. */
function wordNode(text, w, light) {
  if (!w) return el("span.w.mute", {}, text);
  const node = el("span.w", { "--s": w.strength.toFixed(3), title: w.minor ? `${w.name}: hardly counts` : w.weak && !w.against ? `${w.name}: not found` : `${w.name}: ${placeOf(w.box)}` }, text);
  node.word = w;
  node.classList.toggle("weak", w.weak && !w.against);
  node.classList.toggle("against", w.against);
  node.addEventListener("mouseenter", () => light.one(w));
  node.addEventListener("mouseleave", () => light.none());
  node.addEventListener("click", () => light.one(w));
  return node;
}

/** quoteWords colours the words of a caption that a photo found. */
function quoteWords(hit, quote, light) {
  const bytes = new TextEncoder().encode(hit.text);
  const text = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  const own = hit.words.filter((w) => text(w.start, w.end) === w.word && w.end > w.start);
  if (!own.length) return;
  let at = 0;
  const nodes = ["“"];
  for (const w of own) {
    if (w.start < at) continue; // another part's match of the same word
    nodes.push(text(at, w.start), wordNode(w.word, w, light));
    at = w.end;
  }
  quote.replaceChildren(...nodes, text(at, bytes.length), "”");
}

/** sentences shows the words of each part of the query. */
function sentences(hit, answer, light) {
  const out = [];
  const line = el("p.sentence");
  answer.parts.forEach((part, pi) => {
    const ws = (hit.words ?? []).filter((w) => w.part === pi);
    if (part.kind === "text") {
      for (const word of part.words ?? []) {
        if (!/[\p{L}\p{N}]/u.test(word.word)) continue;
        line.append(wordNode(word.word, ws.find((w) => w.start === word.start && w.end === word.end), light), " ");
      }
    } else if (hit.kind === "image" && ws.length) {
      out.push(el("p.sentence.regions-found", {}, ...strongest(ws, 5).map((w) => wordNode(w.name, w, light))));
    }
  });
  if (line.childNodes.length) out.unshift(line);
  return out;
}

function scores(hit, answer) {
  const moved = hit.match_rank - hit.rank;
  return el("p.scores.technical", {},
    hit.relevance !== undefined && el("span", { title: "Relevance: how likely this is what was asked for" }, "relevance ", el("b", {}, percent(hit.relevance))),
    answer.aligned && el("span", { title: `Alignment: the sum of what each word found, by its weight. Hits are in the order of alignment and matching together: ${hit.score.toFixed(2)}` }, "align ", el("b", {}, hit.align.toFixed(2))),
    el("span", { title: "Matching: how the sentence fits the photo as a whole" }, "match ", el("b", {}, hit.match.toFixed(3))),
    answer.aligned && moved !== 0 && el("span.moved", { title: `Matching alone ranks it ${hit.match_rank}` }, moved > 0 ? el("span.up", {}, `↑ ${moved}`) : `↓ ${-moved}`));
}

const percent = (share) => `${Math.round(share * 100)} %`;

/** spoken says what the boxes show. */
export function spoken(hit) {
  const found = strongest(hit.words ?? []);
  if (!found.length) return hit.kind === "image" ? (hit.tags ?? []).join(", ") : "";
  return `${found.map((w) => `${w.name}: ${placeOf(w.box)}`).join("; ")}.`;
}

// By keyboard: one stop for Tab, arrows within.

const stops = () => [...list.querySelectorAll(".open")];

/** focus goes to a hit. */
export function focus(i) {
  const all = stops();
  if (!all.length) return false;
  const target = all[Math.min(Math.max(i, 0), all.length - 1)];
  for (const s of all) s.tabIndex = s === target ? 0 : -1;
  target.focus();
  target.scrollIntoView({ block: "nearest" });
  return true;
}

/** beside finds the hit above or below another: the one whose middle is nearest. */
function beside(all, from, down) {
  const here = all[from].getBoundingClientRect();
  const middle = here.left + here.width / 2;
  let found = -1;
  let least = Infinity;
  all.forEach((s, i) => {
    const r = s.getBoundingClientRect();
    if (down ? r.top < here.top + here.height / 2 : r.bottom > here.bottom - here.height / 2) return;
    const d = 10 * Math.abs(r.top - here.top) + Math.abs(r.left + r.width / 2 - middle);
    if (d < least) [least, found] = [d, i];
  });
  return found;
}

/** keys answers the keyboard in the list. up is called when there is nothing above. */
export function keys(on) {
  list.addEventListener("keydown", (e) => {
    const all = stops();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || e.ctrlKey || e.metaKey || e.altKey) return;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1, ArrowUp: beside(all, at, false), ArrowDown: beside(all, at, true) }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      if (to >= 0 && to < all.length) focus(to);
      else if (e.key === "ArrowUp") on.up();
    } else if (e.key === "l" || e.key === "L") {
      on.like(shown[at]);
    } else if (e.key === "Escape") {
      on.up();
    }
  });
}

/** summary says how many hits there are. */
export function summary(kind) {
  const noun = kind === "caption" ? "caption" : "photo";
  return shown.length ? plural(shown.length, noun) : `No ${noun}s`;
}
