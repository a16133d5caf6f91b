// What is asked for: the sentence, photos to search with, the weight of each word, tags and settings.
import { $, el, icon, number } from "./dom.js";
import { clear as clearBoxes, draw } from "./regions.js";
import { candidateSteps, ks, state, words } from "./state.js";

let changed = () => {};
let frames = []; // of state.parts

/** start connects the controls. onChange(how): "typing", "sliding" or "now". */
export function start(onChange) {
  changed = onChange;
  for (const panel of ["tags", "words", "tune"]) {
    const toggle = $(`${panel}-toggle`);
    toggle.addEventListener("click", () => unfold(panel, toggle.getAttribute("aria-expanded") !== "true"));
  }
  $("q").addEventListener("input", (e) => {
    state.text = e.target.value;
    sync();
    if (!e.isComposing) changed("typing");
  });
  $("q").addEventListener("compositionend", () => changed("typing"));
  for (const radio of $("kinds").querySelectorAll("input")) {
    radio.addEventListener("change", () => {
      state.kind = radio.value;
      changed("now");
    });
  }
  slider($("k"), ks, "k", "k-out");
  slider($("c"), candidateSteps, "candidates", "c-out");
}

function slider(input, steps, key, out) {
  input.max = steps.length - 1;
  input.addEventListener("input", () => {
    state[key] = steps[input.value];
    $(out).textContent = number(state[key]);
    input.setAttribute("aria-valuetext", number(state[key]));
    changed("sliding");
  });
}

/** limit takes the server's limits into account. */
export function limit({ k, candidates }) {
  for (const [steps, most] of [[ks, k], [candidateSteps, candidates]]) {
    while (steps.length > 1 && steps.at(-1) > most) steps.pop();
  }
  $("k").max = ks.length - 1;
  $("c").max = candidateSteps.length - 1;
  state.k = Math.min(state.k, ks.at(-1));
  state.candidates = Math.min(state.candidates, candidateSteps.at(-1));
  sync();
}

function unfold(panel, open) {
  $(`${panel}-toggle`).setAttribute("aria-expanded", String(open));
  $(`${panel}-panel`).hidden = !open;
}

/** sync shows the state in all controls. */
export function sync() {
  if ($("q").value !== state.text) $("q").value = state.text;
  $("clear").hidden = state.text === "" && state.parts.length === 0;
  for (const radio of $("kinds").querySelectorAll("input")) radio.checked = radio.value === state.kind;
  $("k").value = ks.indexOf(state.k);
  $("c").value = candidateSteps.indexOf(state.candidates);
  $("k-out").textContent = number(state.k);
  $("c-out").textContent = number(state.candidates);
  $("k").setAttribute("aria-valuetext", number(state.k));
  $("c").setAttribute("aria-valuetext", number(state.candidates));
  const weighed = new Set(words(state.text).map((w) => w.word.toLowerCase()));
  $("words-toggle").querySelector(".count").textContent = [...state.weights].filter(([w, x]) => x !== 1 && weighed.has(w)).length || "";
  showTagCount();
  $("words-empty").hidden = state.text.trim() !== "";
  if (state.text.trim() === "") $("words").replaceChildren();
}

// Photos to search with.

/** showParts lists them; photos come with a thumbnail of their own. */
export function showParts() {
  frames = state.parts.map((p) => {
    const frame = el("span.frame");
    const image = el("img", { src: p.url ?? `thumb/${encodeURIComponent(p.item)}?size=320`, alt: "" });
    image.addEventListener("error", () => {
      image.remove();
      frame.classList.add("blank");
    });
    frame.append(image);
    return frame;
  });
  $("parts").replaceChildren(...state.parts.map((p, i) => {
    const name = p.item ?? p.file.name ?? "photo";
    const says = el("span");
    const row = el("li.part", {}, frames[i],
      el("div.what", {}, el("b", { title: name }, name),
        el("label", {}, says, el("input", {
          type: "range", min: -1.5, max: 1.5, step: 0.25, value: p.weight, "aria-label": `Weight of ${name}`,
          oninput: (e) => {
            p.weight = Number(e.target.value) || 0.25; // a part that counts nothing is no part
            tell();
            changed("sliding");
          },
        }))),
      el("button.icon-button", {
        type: "button", "aria-label": `Search without ${name}`, onclick: () => {
          state.parts.splice(i, 1);
          if (p.url) URL.revokeObjectURL(p.url);
          showParts();
          sync();
          changed("now");
          $("q").focus();
        },
      }, icon("close")));
    const tell = () => {
      says.textContent = p.weight < 0 ? `unlike this, × ${-p.weight}` : `like this, × ${p.weight}`;
      row.classList.toggle("against", p.weight < 0);
    };
    tell();
    return row;
  }));
}

/** light shows on the photos searched with what words or regions come from. */
export function light(part, matches, from) {
  frames.forEach((frame, i) => {
    if (i === part) draw(frame, matches, { from });
    else if (part < 0) clearBoxes(frame);
  });
}

// The weight of each word.

/** showWords lists the words of the query as the server read it: parts[].words. */
export function showWords(parts) {
  const box = $("words");
  const seen = new Set();
  const active = document.activeElement?.closest?.(".weigh")?.dataset.word;
  const nodes = [];
  for (const part of parts) {
    for (const w of part.words ?? []) {
      if (!/[\p{L}\p{N}]/u.test(w.word)) continue;
      const key = w.word.toLowerCase();
      const silent = w.weight === 0 && (state.weights.get(key) ?? 1) !== 0;
      if (silent) nodes.push(el("li.still", { title: "This word does not change the order" }, w.word));
      else if (!seen.has(key)) nodes.push(weigher(w.word, key, part.weight < 0));
      seen.add(key);
    }
  }
  // A slider that is being moved stays.
  if (active && nodes.some((n) => n.dataset.word === active)) {
    const old = new Map([...box.children].map((n) => [n.dataset.word, n]));
    box.replaceChildren(...nodes.map((n) => old.get(n.dataset.word ?? "") ?? n));
    const input = [...box.children].find((n) => n.dataset.word === active)?.querySelector("input");
    input?.focus();
    return;
  }
  box.replaceChildren(...nodes);
}

function weigher(word, key, without) {
  const out = el("output");
  const input = el("input", { type: "range", min: 0, max: 3, step: 0.25, value: state.weights.get(key) ?? 1, "aria-label": `Weight of “${word}”` });
  const node = el("li.weigh", {}, el("label", {}, el("span", {}, word), out), input);
  const tell = () => {
    out.textContent = `× ${input.value}`;
    node.classList.toggle("changed", Number(input.value) !== 1);
  };
  input.addEventListener("input", () => {
    state.weights.set(key, Number(input.value));
    tell();
    sync();
    changed("sliding");
  });
  input.addEventListener("dblclick", () => {
    input.value = 1;
    input.dispatchEvent(new Event("input"));
  });
  node.dataset.word = key;
  node.classList.toggle("without", without);
  tell();
  return node;
}

// Tags.

const modes = [undefined, "all", "any", "none"];
const meaning = { all: "must have", any: "any of these", none: "without" };

/** showTags lists [{tag, items}] as chips; those chosen come first. */
export function showTags(tags) {
  $("tags-toggle").hidden = tags.length === 0 && state.tags.size === 0;
  const known = new Set(tags.map((t) => t.tag));
  const chosen = [...state.tags.keys()].filter((t) => !known.has(t)).map((tag) => ({ tag }));
  $("tags").replaceChildren(...[...chosen, ...tags].map(({ tag, items }) => {
    const chip = el("button.tag", {
      type: "button", onclick: () => {
        const next = modes[(modes.indexOf(state.tags.get(tag)) + 1) % modes.length];
        if (next) state.tags.set(tag, next);
        else state.tags.delete(tag);
        tell();
        sync();
        changed("now");
      },
    }, el("span", {}, tag), items && el("small", {}, number(items)));
    const tell = () => {
      const mode = state.tags.get(tag);
      if (mode) chip.dataset.mode = mode;
      else delete chip.dataset.mode;
      chip.setAttribute("aria-label", `${tag}${items ? `, ${number(items)}` : ""}: ${mode ? meaning[mode] : "not asked for"}`);
    };
    tell();
    return el("li", {}, chip);
  }));
  showTagCount();
}

function showTagCount() {
  $("tags-toggle").querySelector(".count").textContent = state.tags.size || "";
}
