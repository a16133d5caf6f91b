// Connects what the user asks for with what the server finds.
import * as api from "./api.js";
import * as composer from "./composer.js";
import * as details from "./details.js";
import * as detail from "./detail.js";
import { $, byteLength, debounced, el, number, plural } from "./dom.js";
import * as hits from "./hits.js";
import * as photos from "./photos.js";
import { address, asksNothing, nearestText, request, reset, restore, state } from "./state.js";
import * as status from "./status.js";
import * as theme from "./theme.js";

const typingPause = 130; // milliseconds; a search is answered in less
const slidingPause = 60;
const restingPause = 1200; // after which a search was looked at, and Back leads to it

let info = null;
let answer = null; // of the search that is shown, or null
let running = null; // AbortController of the search under way
let rested = true; // the search that is shown is one to come back to

const soon = debounced(typingPause, () => search(rested, true));
const sooner = debounced(slidingPause, () => search());

function changed(how) {
  if (how === "typing") soon();
  else if (how === "sliding") sooner();
  else search(true);
}

const rest = debounced(restingPause, () => (rested = true));

/**
 * search asks the server for what the state says and shows the answer. push makes a step for the Back button; typing
 * says that the last word may not be whole yet.
 */
async function search(push = false, typing = false) {
  soon.stop();
  sooner.stop();
  running?.abort();
  const mine = (running = new AbortController());
  const url = address();
  if (url !== location.pathname + location.search && url !== location.search) {
    history[push ? "pushState" : "replaceState"](null, "", url);
    rested = asksNothing();
    rest();
  }
  document.title = state.text.trim() ? `${state.text.trim()} — aladin` : "Search — aladin";
  $("composer").setAttribute("aria-busy", "true");
  hits.stale();
  try {
    if (asksNothing()) await browse(mine.signal);
    else await find(mine.signal);
    if (mine === running) warn(typing);
  } catch (error) {
    if (error.code === "empty" && mine === running) await browse(mine.signal).catch(failed); // "-" is all so far
    else if (error.name !== "AbortError" && mine === running) failed(error);
  } finally {
    if (mine === running) $("composer").setAttribute("aria-busy", "false");
  }
}

/** warn names words that the model does not know; not one that is still being typed. */
function warn(typing) {
  unfinished.stop();
  const unknown = answer?.unknown ?? [];
  if (typing && unknown.some((u) => u.end === byteLength(state.text))) {
    status.content();
    unfinished();
    return;
  }
  const meant = nearestText(state.text, unknown);
  status.content(answer?.warnings, meant !== state.text && {
    name: `Search for “${meant.trim()}”`, run: () => {
      state.text = meant;
      composer.sync();
      search(true);
    },
  });
}

const unfinished = debounced(restingPause, () => warn(false));

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
  asked.forEach((p, i) => {
    if (p.photo) body.parts[i] = { photo: p.photo, weight: p.weight };
  });
  answer = { ...found, body, next: found.hits.length === body.k ? body.k : 0 };
  if (info && found.generation !== info.index.generation) loadInfo().catch(() => {}); // the index has changed; counts follow
  answer.on = { open, like, from: (part, words, from) => composer.light(part < 0 ? -1 : part - offset, words, from) };
  hits.show(answer, answer.on);
  composer.showWords(found.parts);
  status.latency(found.elapsed_ms, waited);
  const count = title();
  $("examples").hidden = true;
  if (found.hits.length) {
    status.notEmpty();
    status.say(`${count}. Best: ${found.hits[0].kind === "caption" ? found.hits[0].text : found.hits[0].id}. ${hits.spoken(found.hits[0])}`);
  } else {
    nothing(found);
    status.say("Nothing found");
  }
}

/** title says how many are shown, of how many. */
function title() {
  const kind = bothKinds() ? state.kind : info?.index.images === 0 ? "caption" : "image";
  const count = hits.summary(kind);
  const all = !info ? answer.items : kind === "caption" ? info.index.captions : info.index.images;
  $("results-title").textContent = `${count} of ${number(Math.max(all, hits.hits().length))}`;
  const room = (info?.limits.k ?? 0) - answer.next;
  $("more").hidden = !answer.next || room < 1;
  return count;
}

/** more shows the hits after those that are shown. */
async function more() {
  const of = answer;
  if ($("more").hidden || $("hits").dataset.stale !== undefined || of.fetching) return;
  of.fetching = true;
  $("more").setAttribute("aria-busy", "true");
  try {
    const k = Math.min(of.body.k, info.limits.k - of.next);
    const found = await api.search({ ...of.body, k, offset: of.next, candidates: Math.max(of.body.candidates, of.next + k) }, new Map(), running.signal);
    if (answer !== of) return;
    of.next = found.hits.length === k ? of.next + k : 0;
    const added = hits.append({ ...of, hits: found.hits }, of.on);
    title();
    status.say(`${added} more`);
    nearEnd.unobserve($("more")); // else nothing is said of a button that has stayed in sight
    nearEnd.observe($("more"));
  } catch (error) {
    if (error.name !== "AbortError" && answer === of) status.complain(error, more);
  } finally {
    of.fetching = false;
    $("more").removeAttribute("aria-busy");
  }
}

const nearEnd = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && more(), { rootMargin: "500px" });

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
  $("more").hidden = true;
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
  $("more").hidden = true;
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
  details.start();
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
  $("photoless").hidden = info.photos || info.index.images === 0;
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
      search(true);
    }
  });
  $("q").addEventListener("blur", () => {
    rested = true;
  });
  $("more").addEventListener("click", more);
  nearEnd.observe($("more"));
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
    rested = true;
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
