// One hit, large: every word with its region, the scores, and where to go from there.
import { $, el, icon } from "./dom.js";
import { aspect, hits, lighter, picture } from "./hits.js";
import { placeOf } from "./regions.js";

const dialog = $("detail");
let at = 0;
let view = null; // {answer, on}

/** open shows hit number i. on: {like(hit), tag(tag), closed(i)}. */
export function open(i, answer, on) {
  at = i;
  view = { answer, on };
  if (!dialog.open) dialog.showModal(); // first: names of regions are placed by their size
  render();
  dialog.querySelector(".close").focus();
}

export const close = () => dialog.close();

dialog.addEventListener("close", () => view?.on.closed(at));
dialog.addEventListener("click", (e) => {
  if (e.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (e) => {
  if (e.key === "ArrowLeft") step(-1);
  else if (e.key === "ArrowRight") step(1);
  else return;
  e.preventDefault();
});

function step(by) {
  const to = at + by;
  if (to < 0 || to >= hits().length) return;
  at = to;
  render();
  dialog.querySelector(".close").focus();
}

function render() {
  const hit = hits()[at];
  const frame = picture(hit, 1280);
  frame.style.setProperty("--a", aspect(hit, 0.2, 5));
  const side = el("div.side");
  const light = lighter(hit, frame, side, {});
  const stepper = (name, by, label) => el(`button.icon-button.step.${name}`, {
    type: "button", "aria-label": label, hidden: hits()[at + by] === undefined, onclick: () => step(by),
  }, icon(name));
  side.append(
    el("header", {}, el("h2", { id: "detail-title" }, hit.kind === "caption" ? `“${hit.text}”` : hit.id),
      el("button.icon-button.close", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    matches(hit, light),
    scores(hit),
    facts(hit),
    tags(hit),
    el("div.actions", {},
      el("button.button.primary", { type: "button", onclick: () => leave(() => view.on.like(hit)) }, icon("like"), "More like this"),
      hit.photo && el("a.button", { href: hit.photo.url, target: "_blank", rel: "noopener" }, icon("open"), "Original")),
  );
  dialog.replaceChildren(el("div.view", {}, frame, stepper("prev", -1, "Previous result"), stepper("next", 1, "Next result")), side);
  light.all();
}

function leave(then) {
  view.on = { ...view.on, closed() {} };
  dialog.close();
  then();
}

function matches(hit, light) {
  const words = hit.words ?? [];
  if (!words.length) return "";
  const shownWords = view.answer?.parts.length === 1 && view.answer.parts[0].kind !== "text" && hit.kind === "image"
    ? [...words].sort((a, b) => b.similarity * b.weight - a.similarity * a.weight).slice(0, 12) : words;
  const rows = shownWords.map((w) => {
    const row = el("button.match", {
      type: "button", "aria-pressed": "false", "--s": w.strength.toFixed(3),
      "aria-label": `${w.against ? "without " : ""}${w.name}: ${w.minor ? "hardly counts" : w.weak && !w.against ? "not found" : placeOf(w.box)}`,
      onmouseenter: () => light.one(w), onmouseleave: () => rest(), onfocus: () => light.one(w), onblur: () => rest(),
      onclick: () => {
        const on = row.getAttribute("aria-pressed") !== "true";
        for (const r of rows) r.setAttribute("aria-pressed", String(on && r === row));
        rest();
      },
    }, el("span.name", {}, w.against ? `− ${w.name}` : w.name), el("span.meter", {}, el("i")), el("span.number.technical", {}, w.similarity.toFixed(2)));
    row.word = w;
    row.classList.toggle("weak", w.weak && !w.against);
    row.classList.toggle("against", w.against);
    return row;
  });
  const rest = () => {
    const held = rows.find((r) => r.getAttribute("aria-pressed") === "true");
    if (held) light.one(held.word);
    else light.all();
  };
  return el("section", {}, el("h3", {}, hit.kind === "caption" || view.answer?.parts.some((p) => p.kind === "text") ? "What was found" : "What is alike"),
    view.answer?.untrained ? el("p.note", {}, "Untrained: this model was not taught where things are, so the places are guesses.") : "", ...rows);
}

const list = (title, rows) => (rows.length
  ? el("section", {}, el("h3", {}, title), el("dl.facts", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))) : "");

function scores(hit) {
  if (!view.answer) return "";
  const rows = [["Matching", `${hit.match.toFixed(4)}, rank ${hit.match_rank}`]];
  if (view.answer.aligned) rows.unshift(["Score", `${hit.score.toFixed(3)}, rank ${hit.rank}`], ["Alignment", hit.align.toFixed(3)], ["Coverage", `${Math.round(hit.coverage * 100)} %`]);
  if (hit.relevance !== undefined) rows.unshift(["Relevance", `${Math.round(hit.relevance * 100)} %`]);
  const section = list("Scores", rows);
  section.classList.add("technical");
  return section;
}

function facts(hit) {
  const rows = [];
  const row = (name, value) => rows.push([name, value]);
  if (hit.photo) row("Size", `${hit.photo.width} × ${hit.photo.height}`);
  if (hit.kind === "caption") row("Item", hit.id);
  if (hit.meta && typeof hit.meta === "object" && !Array.isArray(hit.meta)) {
    for (const [key, value] of Object.entries(hit.meta).slice(0, 12)) row(key, typeof value === "string" ? value : JSON.stringify(value));
  }
  return list("About it", rows);
}

function tags(hit) {
  if (!hit.tags?.length) return "";
  return el("section", {}, el("h3", {}, "Tags"), el("ul.tags", {}, ...hit.tags.map((t) => el("li", {}, el("button.tag", {
    type: "button", title: "Only photos with this tag", onclick: () => leave(() => view.on.tag(t)),
  }, t)))));
}
