// Where pictures and clips are shown from. Without a key the server's own address will do, and the
// browser asks for ranges; with one the bytes come through fetch, as no <video> sends a key.

import { content, contentPath } from "./api.js";
import { key } from "./keyring.js";

const held = new Map(); // "id/variant" -> promise of an object URL

/** An address that <img> and <video> can show. */
export async function addressOf(id, variant = "video") {
  if (!key()) return `/v1${contentPath(id, variant)}`;
  const name = `${id}/${variant}`;
  if (!held.has(name))
    held.set(
      name,
      content(id, variant).then((blob) => URL.createObjectURL(blob)),
    );
  return held.get(name).catch((error) => {
    held.delete(name); // it may be there the next time
    throw error;
  });
}

/** Free what a deleted clip held. */
export function release(id) {
  for (const [name, address] of held) {
    if (!name.startsWith(`${id}/`)) continue;
    held.delete(name);
    address.then(URL.revokeObjectURL, () => {});
  }
}

/** Let an element show a variant; what cannot be had leaves it empty. */
export function show(element, id, variant, attribute = "src") {
  addressOf(id, variant).then(
    (address) => element.setAttribute(attribute, address),
    () => {},
  );
  return element;
}

/** Save a finished file on this computer. */
export async function save(id, name) {
  const address = URL.createObjectURL(await content(id, "video"));
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Length in seconds and size in pixels of an own file, as the browser reads it. */
export function probe(file) {
  return new Promise((done, fail) => {
    const address = URL.createObjectURL(file);
    const isPicture = file.type.startsWith("image/");
    const element = document.createElement(isPicture ? "img" : "video");
    const unreadable = () => fail(new Error(`This browser cannot read '${file.name}'.`));
    element.addEventListener("error", unreadable);
    element.addEventListener(isPicture ? "load" : "loadedmetadata", () =>
      done({
        address,
        seconds: isPicture ? 0 : element.duration,
        size: isPicture
          ? [element.naturalWidth, element.naturalHeight]
          : [element.videoWidth, element.videoHeight],
      }),
    );
    element.src = address;
  });
}
