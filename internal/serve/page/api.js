// Talks to the server. Addresses are relative, so that the page works below any path of a proxy.

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

async function request(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "offline", "The server cannot be reached. Is it running?");
  }
  if (answer.status === 204) return null;
  const type = answer.headers.get("Content-Type") ?? "";
  const body = type.includes("json") ? await answer.json() : null;
  if (!answer.ok) throw new Problem(answer.status, body?.code ?? "unknown", body?.detail ?? `The server answered ${answer.status}.`);
  return body;
}

export const info = () => request("api/info");
export const tags = () => request("api/tags?limit=200");
export const samples = () => request("api/items?limit=30");
export const item = (id) => request(`api/items/${encodeURIComponent(id)}`);

export const login = (token) => request("api/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });

/** search sends a request of state.js; photos are the files that it refers to by name. */
export async function search(body, photos, signal) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await searchOnce(body, photos, signal);
    } catch (error) {
      // A server that is busy says so at once; the user has waited for less than the time it takes to read that.
      if (error.status !== 503 || attempt === 3) throw error;
      await pause(300 * 2 ** attempt, signal);
    }
  }
}

function searchOnce(body, photos, signal) {
  if (photos.size === 0 && !body.parts && !body.word_weights) {
    const q = new URLSearchParams({ q: body.query, k: body.k, candidates: body.candidates });
    if (body.tags) q.set("tags", body.tags);
    if (body.offset) q.set("offset", body.offset);
    for (const kind of body.kinds ?? []) q.append("kind", kind);
    return request(`api/search?${q}`, { signal });
  }
  if (photos.size === 0) {
    return request("api/search", { method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }
  const form = new FormData();
  form.set("request", new Blob([JSON.stringify(body)], { type: "application/json" }));
  for (const [name, file] of photos) form.set(name, file);
  return request("api/search", { method: "POST", signal, body: form });
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    });
  });
}
