// Light, dark, or as the system says.
import { $ } from "./dom.js";

const choices = ["system", "light", "dark"];
const names = { system: "as the system", light: "light", dark: "dark" };

function apply(choice) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  $("theme").setAttribute("aria-label", `Colours: ${names[choice]}`);
}

const read = () => {
  try {
    const c = localStorage.getItem("theme");
    return choices.includes(c) ? c : "system";
  } catch {
    return "system"; // storage may be forbidden
  }
};

export function start() {
  let choice = read();
  apply(choice);
  $("theme").addEventListener("click", () => {
    choice = choices[(choices.indexOf(choice) + 1) % choices.length];
    apply(choice);
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // It holds for this visit.
    }
  });
}
