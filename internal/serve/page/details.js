// The switch that shows what only those want to see who know how searching works: scores, stages, milliseconds.
import { $ } from "./dom.js";

const root = document.documentElement;

function apply(on) {
  if (on) root.dataset.details = "";
  else delete root.dataset.details;
  $("details").setAttribute("aria-pressed", String(on));
}

export function start() {
  let on = false;
  try {
    on = localStorage.getItem("details") === "on";
  } catch {
    // Storage may be forbidden.
  }
  apply(on);
  $("details").addEventListener("click", () => {
    on = !on;
    apply(on);
    try {
      localStorage.setItem("details", on ? "on" : "off");
    } catch {
      // It holds for this visit.
    }
  });
}
