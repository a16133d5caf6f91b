// Photos of the user's own: dropped, pasted or picked.
import { $ } from "./dom.js";
import { state } from "./state.js";

const most = 4;

// The server knows what it can read; systems do not know the types of all photos.
const isPhoto = (f) => f.type.startsWith("image/") || /\.(heic|heif|avif|tiff?|dng|cr2|nef|arw)$/i.test(f.name);

/** start listens for photos; added is called once they are in the state. */
export function start(added, failed) {
  const take = (files) => {
    const good = [...files].filter(isPhoto);
    if (!good.length) {
      if (files.length) failed(new Error("That is no photo."));
      return;
    }
    for (const file of good.slice(0, most)) state.parts.push({ file, url: URL.createObjectURL(file), weight: 1 });
    state.parts.splice(0, Math.max(0, state.parts.length - most)).forEach(release);
    added();
  };
  $("pick").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", (e) => {
    take(e.target.files);
    e.target.value = "";
  });
  document.addEventListener("paste", (e) => {
    if (e.clipboardData?.files.length) {
      e.preventDefault();
      take(e.clipboardData.files);
    }
  });
  let depth = 0; // dragenter and dragleave come for every element on the way
  const holdsFiles = (e) => [...(e.dataTransfer?.types ?? [])].includes("Files");
  const over = (by) => {
    depth = by === 0 ? 0 : Math.max(0, depth + by);
    $("drop").hidden = depth === 0;
  };
  document.addEventListener("dragenter", (e) => holdsFiles(e) && over(1));
  document.addEventListener("dragleave", (e) => holdsFiles(e) && over(-1));
  document.addEventListener("dragover", (e) => {
    if (holdsFiles(e)) e.preventDefault();
  });
  document.addEventListener("drop", (e) => {
    over(0);
    if (!holdsFiles(e)) return;
    e.preventDefault();
    take(e.dataTransfer.files);
  });
}

function release(part) {
  if (part.url) URL.revokeObjectURL(part.url);
}

/** forget frees the photos in the state. */
export function forget() {
  state.parts.forEach(release);
}
