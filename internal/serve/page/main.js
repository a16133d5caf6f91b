// Connects what the user asks for with what the server finds.
import * as api from "./api.js";
import * as composer from "./composer.js";
import * as detail from "./detail.js";
import { $, debounced, el, number, plural } from "./dom.js";
import * as hits from "./hits.js";
import * as photos from "./photos.js";
import { address, asksNothing, request, reset, restore, state } from "./state.js";
import * as status from "./status.js";
import * as theme from "./theme.js";

const typingPause = 130; // milliseconds; a search is answered in less
const slidingPause = 60;

let info = null;
let answer = null; // of the search that is shown, or null
let running = null; // AbortController of the search under way

const soon = debounced(typingPause, () => search());
const sooner = debounced(slidingPause, () => search());

function changed(how) {
  if (how === "typing") soon();
  else if (how === "sliding") sooner();
  else search(true);
}

/** search asks the server for what the state says and shows the answer. push makes a step for the Back button. */
async function search(push = false) {
  soon.stop();
  sooner.stop();
  running?.abort();
  const mine = (running = new AbortController());
  const url = address();
  if (url !== location.pathname + location.search && url !== location.search) history[push ? "pushState" : "replaceState"](null, "", url);
  document.title = state.text.trim() ? `${state.text.trim()} — aladin` : "Search — aladin";
  $("composer").setAttribute("aria-busy", "true");
  hits.stale();
  try {
    if (asksNothing()) await browse(mine.signal);
    else await find(mine.signal);
    if (mine === running) status.content(answer?.warnings);
  } catch (error) {
    if (error.name !== "AbortError" && mine === running) failed(error);
  } finally {
    if (mine === running) $("composer").setAttribute("aria-busy", "false");
  }
}

const bothKinds = () => info !== null && info.index.images > 0 && info.index.captions > 0;

async function find(signal, again = false) {
  const began = performance.now();
  const { body, files } = request(bothKinds());
  const asked = [...state.parts];
  let found;
  try {
    found = await api.search(body, files, signal);
  } catch (error) {
    if (error.code !== "photo_expired" || again) throw error;
    for (const p of asked) delete p.photo; // the server has forgotten them; send them again
    return find(signal, true);
  }
  signal.throwIfAborted();
  const waited = performance.now() - began;
  const offset = found.parts.length - asked.length;
  asked.forEach((p, i) => {
    if (p.file) p.photo = found.parts[offset + i].photo;
  });
  answer = found;
  if (info && found.generation !== info.index.generation) loadInfo().catch(() => {}); // the index has changed; counts follow
  hits.show(found, { open, like, from: (part, words, from) => composer.light(part < 0 ? -1 : part - offset, words, from) });
  composer.showWords(found.parts);
  status.latency(found.elapsed_ms, waited);
  const kind = bothKinds() ? state.kind : info?.index.images === 0 ? "caption" : "image";
  const count = hits.summary(found, kind);
  const all = !info ? found.items : kind === "caption" ? info.index.captions : info.index.images;
  $("results-title").textContent = `${count} of ${number(Math.max(all, found.hits.length))}`;
  $("examples").hidden = true;
  if (found.hits.length) {
    status.notEmpty();
    status.say(`${count}. Best: ${found.hits[0].kind === "caption" ? found.hits[0].text : found.hits[0].id}. ${hits.spoken(found.hits[0])}`);
  } else {
    nothing(found);
    status.say("Nothing found");
  }
}

function nothing(found) {
  if (found.items === 0) status.empty("The index is empty", "Add photos with aladin-index add; they show up here without a restart.");
  else if (state.tags.size) {
    status.empty("Nothing has these tags", "Every search finds something, unless tags leave nothing over.", {
      name: "Search without tags", run: () => {
        state.tags.clear();
        loadTags();
        search(true);
      },
    });
  } else status.empty("Nothing found", "The index holds nothing of this kind.");
}

/** browse shows a few items while nothing is asked for. */
async function browse(signal) {
  answer = null;
  status.hideLatency();
  composer.showWords([]);
  const { items } = await api.samples();
  signal.throwIfAborted();
  hits.browse(items.filter((it) => it.kind === "image" || info?.index.images === 0), { open, like });
  $("results-title").textContent = items.length ? "From this collection" : "";
  const tries = items.filter((it) => it.kind === "caption").slice(0, 3);
  $("examples").replaceChildren(...tries.map((it) => el("li", {}, el("button", {
    type: "button", onclick: () => {
      state.text = it.text;
      composer.sync();
      search(true);
    },
  }, it.text))));
  $("examples").hidden = tries.length === 0;
  if (items.length) status.notEmpty();
  else nothing({ items: 0 });
}

function failed(error) {
  if (error.status === 401) {
    $("login").showModal();
    return;
  }
  delete $("hits").dataset.stale;
  if (!answer) $("hits").replaceChildren();
  status.complain(error, () => search());
}

function open(i) {
  detail.open(i, answer, {
    like,
    closed: (at) => hits.focus(at),
    tag: (tag) => {
      state.tags.set(tag, "all");
      loadTags();
      composer.sync();
      search(true);
    },
  });
}

/** like searches with an item instead of what was asked before; tags stay. */
function like(hit) {
  keepTagsOnly();
  state.parts.push({ item: hit.id, weight: 1 });
  if (hit.kind === "image") state.kind = "image";
  composer.showParts();
  composer.sync();
  window.scrollTo({ top: 0, behavior: "smooth" });
  search(true).then(() => hits.focus(0));
}

function keepTagsOnly() {
  const tags = new Map(state.tags);
  photos.forget();
  reset();
  for (const [tag, mode] of tags) state.tags.set(tag, mode);
}

async function loadTags() {
  try {
    composer.showTags((await api.tags()).tags);
  } catch {
    composer.showTags([]); // the search itself will say what is wrong
  }
}

async function start() {
  theme.start();
  restore(location.search);
  composer.start(changed);
  composer.showParts();
  composer.sync();
  photos.start(() => {
    composer.showParts();
    composer.sync();
    search(true);
  }, (error) => status.complain(error));
  hits.keys({ like, up: () => $("q").focus() });
  hits.waiting();
  listen();
  await load();
}

async function loadInfo() {
  info = await api.info();
  $("about").textContent = [info.index.images && plural(info.index.images, "photo"), info.index.captions && plural(info.index.captions, "caption")].filter(Boolean).join(" · ");
  $("kinds").hidden = !bothKinds();
  composer.limit(info.limits);
  loadTags();
}

async function load() {
  try {
    await loadInfo();
  } catch (error) {
    if (error.status === 401) return failed(error);
  }
  await search();
}

function listen() {
  $("composer").addEventListener("submit", (e) => {
    e.preventDefault();
    search(true);
  });
  $("clear").addEventListener("click", () => {
    keepTagsOnly();
    composer.showParts();
    composer.sync();
    $("q").focus();
    search(true);
  });
  $("q").addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown" && hits.focus(0)) e.preventDefault();
    if (e.key === "Escape" && state.text) {
      e.preventDefault();
      state.text = "";
      composer.sync();
      search();
    }
  });
  $("help-open").addEventListener("click", () => $("help").showModal());
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]") || e.target.closest?.("input:not([type=range]):not([type=radio])")) return;
    if (e.key === "/") {
      e.preventDefault();
      $("q").focus();
      $("q").select();
    } else if (e.key === "?") {
      $("help").showModal();
    }
  });
  window.addEventListener("popstate", () => {
    restore(location.search);
    composer.showParts();
    composer.sync();
    loadTags();
    search();
  });
  $("login-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    try {
      await api.login($("token").value);
      $("token").value = "";
      $("login").close();
      $("login-problem").textContent = "";
      await load();
    } catch (error) {
      $("login-problem").textContent = error.status === 401 ? "That is not the token." : error.message;
    }
  });
}

start();
