// Small help with the document. Text is always set as text, never as markup.

/**
 * el makes an element: el("p.note", {title: "…"}, "text", child). Properties that begin with "on" are listeners,
 * those with "--" or in dashes are set as they are, the rest on the object.
 */
export function el(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for" || name === "list") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((c) => c !== undefined && c !== null && c !== false));
  return node;
}

/** fill puts children into a node in place of what it holds; those that are nothing are left out, as in el. */
export const fill = (node, ...children) => node.replaceChildren(...children.filter((c) => c !== undefined && c !== null && c !== false));

/** icon shows a symbol of the page. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const $ = (id) => document.getElementById(id);

const encoder = new TextEncoder();

/** byteLength counts as the API does. */
export const byteLength = (s) => encoder.encode(s).length;

/** number writes 1234567 as people read it. */
export const number = (n) => n.toLocaleString("en");

/** plural says "1 photo", "2 photos". */
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** debounced delays calls until none came for a while. */
export function debounced(wait, f) {
  let timer = 0;
  const call = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(f, wait, ...args);
  };
  call.now = (...args) => {
    clearTimeout(timer);
    f(...args);
  };
  call.stop = () => clearTimeout(timer);
  return call;
}
