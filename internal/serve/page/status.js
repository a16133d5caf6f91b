// What goes on: time spent, what is announced, what went wrong.
import { $, el, fill } from "./dom.js";

const stages = ["encode", "match", "align", "explain", "lookup"];

/** latency shows where the time of a search went; all is what the browser waited. */
export function latency(elapsed, all) {
  const network = Math.max(0, all - elapsed.total);
  const parts = [...stages.map((s) => [s, elapsed[s]]), ["network", network]];
  const box = $("latency");
  box.hidden = false;
  box.querySelector(".total").textContent = `${millis(all)} ms`;
  box.querySelector(".stages").replaceChildren(...parts.map(([s, ms]) => el("i", { "data-stage": s, "--ms": ms.toFixed(3) })));
  box.querySelector(".legend").replaceChildren(...parts.map(([s, ms]) => el("span", { "data-stage": s }, `${s} ${millis(ms)}`)));
  box.title = parts.map(([s, ms]) => `${s} ${millis(ms)} ms`).join(" · ");
}

export const hideLatency = () => {
  $("latency").hidden = true;
};

const millis = (x) => (x >= 10 ? x.toFixed(0) : x.toFixed(1));

/** say tells those who listen. */
export const say = (text) => {
  $("live").textContent = text;
};

/** complain shows what went wrong, with a way to try again. */
export function complain(error, again) {
  $("notice").classList.remove("mild");
  fill($("notice"), el("p", {}, error.message || String(error)), again && el("button.button", { type: "button", onclick: again }, "Try again"));
  $("notice").hidden = false;
}

/** content takes complaints away, but for warnings about the answer; action, if any, is what to do about them. */
export const content = (warnings = [], action) => {
  $("notice").hidden = warnings.length === 0;
  $("notice").classList.add("mild");
  fill($("notice"), ...warnings.map((w) => el("p", {}, w)), action && el("button.button", { type: "button", onclick: action.run }, action.name));
};

/** empty says why there is nothing to see. */
export function empty(title, text, action) {
  fill($("empty"), el("p", {}, title), el("p", {}, text), action && el("button.button", { type: "button", onclick: action.run }, action.name));
  $("empty").hidden = false;
}

export const notEmpty = () => {
  $("empty").hidden = true;
};
