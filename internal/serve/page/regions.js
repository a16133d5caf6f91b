// Which words matched which regions, and boxes drawn on photos.
import { el } from "./dom.js";

/** A word is weak when it is less similar to its region than this share of what a word of full strength is. */
const weak = 0.4;

/** A word is minor when it counts less than this share of the heaviest in its part: "a", "of". */
const minor = 0.25;

/** Similarities mean different things to different models; below this none means anything. */
const least = 0.02;

/** What the best word of a page on which nothing fits has of full strength. */
const pale = 0.5;

let full = least; // similarity of a word of full strength

/** strengths sets strength (0…1) and weak of every word of every hit, on one scale for a page. */
export function strengths(hits, nothingFits = false) {
  full = Math.max(least, ...hits.flatMap((h) => (h.words ?? []).map((w) => w.similarity))) / (nothingFits ? pale : 1);
  more(hits);
}

/** more does so for further hits of the page. */
export function more(hits) {
  for (const h of hits) {
    const heaviest = new Map(); // of each part's words
    for (const w of h.words ?? []) heaviest.set(w.part, Math.max(heaviest.get(w.part) ?? 0, Math.abs(w.weight)));
    for (const w of h.words ?? []) {
      const share = w.similarity / full;
      w.against = w.weight < 0;
      w.minor = Math.abs(w.weight) < minor * heaviest.get(w.part);
      w.weak = w.minor || share < weak || w.region < 0 || !hasArea(w.box);
      w.strength = Math.min(Math.max((share - weak) / (1 - weak), 0), 1);
    }
  }
}

const hasArea = (b) => b[2] > b[0] && b[3] > b[1];

/** nameOf is what a word is called; a region of a photo has its label, if any. */
export const nameOf = (w, i) => w.word || w.label || `region ${i + 1}`;

/** draw shows the boxes of words in a frame; words that matched one region share a box. from draws where they come from. */
export function draw(frame, words, { alone = false, from = false } = {}) {
  clear(frame);
  const boxes = new Map();
  for (const w of words) {
    const box = from ? w.from : w.box;
    if (!box || !hasArea(box)) continue;
    const key = box.join();
    const known = boxes.get(key);
    if (known) known.words.push(w);
    else boxes.set(key, { box, words: [w] });
  }
  const names = []; // of the boxes
  // Large ones first, so that small ones lie on top.
  const area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);
  for (const { box, words: of } of [...boxes.values()].sort((a, b) => area(b) - area(a))) {
    const [x1, y1, x2, y2] = box;
    const strength = Math.max(...of.map((w) => w.strength ?? 0)).toFixed(3);
    const node = el("span.box", {
      "aria-hidden": "true", "--x": `${x1 * 100}%`, "--y": `${y1 * 100}%`, "--w": `${(x2 - x1) * 100}%`, "--h": `${(y2 - y1) * 100}%`, "--s": strength,
    });
    names.push(el("span.box-name", { "aria-hidden": "true", "--s": strength }, [...new Set(of.map((w) => w.name))].join(" ")));
    if (of.every((w) => w.against)) node.classList.add("against");
    if (alone && boxes.size === 1) node.classList.add("alone");
    node.dataset.words = of.map((w) => w.name).join(" ");
    frame.append(node);
  }
  frame.append(...names); // over all boxes
  placeNames(frame, names);
}

/** placeNames puts the names of boxes where they hide no other; one that has no room is left out. */
function placeNames(frame, names) {
  const { left, top, width, height } = frame.getBoundingClientRect();
  const taken = [];
  const boxes = frame.querySelectorAll(".box");
  for (let i = names.length - 1; i >= 0; i--) { // small boxes have less choice
    const name = names[i];
    const b = boxes[i].getBoundingClientRect();
    const { width: w, height: h } = name.getBoundingClientRect();
    const [x, y, right, bottom] = [b.left - left, b.top - top, b.right - left - w, b.bottom - top];
    const inside = (at) => Math.min(Math.max(at, 0), Math.max(0, width - w));
    const spots = [y - h, bottom, y, bottom - h].flatMap((sy) => [[inside(x), sy], [inside(right), sy]]);
    const free = ([sx, sy]) => sy >= -0.5 && sy + h <= height + 0.5
      && taken.every(([tx, ty, tw, th]) => sx >= tx + tw || tx >= sx + w || sy >= ty + th || ty >= sy + h);
    const spot = spots.find(free);
    name.hidden = !spot;
    if (!spot) continue;
    taken.push([...spot, w, h]);
    name.style.setProperty("--x", `${spot[0]}px`);
    name.style.setProperty("--y", `${spot[1]}px`);
  }
}

export function clear(frame) {
  for (const b of frame.querySelectorAll(".box, .box-name")) b.remove();
}

/** strongest lists the words worth showing on a photo: all that matched, or the strongest regions of a picture. */
export function strongest(words, most = 6) {
  const good = words.filter((w) => !w.weak && !w.against);
  return good.length <= most ? good : [...good].sort((a, b) => b.similarity * b.weight - a.similarity * a.weight).slice(0, most);
}

const places = [["top left", "top", "top right"], ["left", "middle", "right"], ["bottom left", "bottom", "bottom right"]];

/** placeOf says in words where a box is. */
export function placeOf([x1, y1, x2, y2]) {
  if ((x2 - x1) * (y2 - y1) > 0.7) return "everywhere";
  const third = (x) => Math.min(2, Math.floor(x * 3));
  return places[third((y1 + y2) / 2)][third((x1 + x2) / 2)];
}
