// All that this owner has ordered, newest first, kept fresh by the server's events.

import { ApiError, list, remove as removeVideo, retrieve } from "./api.js";
import { listen } from "./events.js";
import { release } from "./media.js";

const clips = new Map();
const watched = new Map(); // id -> AbortController of its stream of events
const RETRY = 1500; // milliseconds until a broken stream is opened again
// A browser keeps six connections to a server, and pictures and clips need some: the rest is polled.
const STREAMS = 2;
let polling = false;

/** Tells "change" when the set or the state of a clip changed, "moved" with a clip that came further,
 * and "ended" with one that came to an end. */
export const news = new EventTarget();

let next = null; // where the next page begins; null is nowhere
let loaded = false;

export const all = () => [...clips.values()].sort((a, b) => b.created_at - a.created_at || b.order - a.order);
export const active = () => all().filter(isActive);
export const get = (id) => clips.get(id);
export const isActive = (clip) => clip.status === "queued" || clip.status === "in_progress";
export const isReady = (clip) => clip.status === "completed";
export const isPicture = (clip) =>
  (clip.skyloom?.operation ?? "") === "image" || clip.skyloom?.delivered?.frames === 1;
export const hasMore = () => next !== null;
export const isLoaded = () => loaded;

let arrivals = 0;
/** Take a clip in, or its newer state. */
export function put(clip) {
  const before = clips.get(clip.id);
  const preview = clip.skyloom?.has_preview ? clip.skyloom.previews : undefined; // counts up with each one
  clips.set(clip.id, { ...before, ...clip, preview, order: before?.order ?? ++arrivals });
  if (isActive(clip)) watchSome();
  else if (before && isActive(before))
    news.dispatchEvent(new CustomEvent("ended", { detail: clips.get(clip.id) }));
  changed();
  news.dispatchEvent(new CustomEvent("moved", { detail: clips.get(clip.id) }));
  return clips.get(clip.id);
}

const changed = () => news.dispatchEvent(new Event("change"));

/** The next page; the first one when nothing was loaded. */
export async function loadMore() {
  const page = await list(loaded ? next : null);
  loaded = true;
  next = page.has_more ? page.last_id : null;
  // Within a second the list's own order is the only one there is.
  page.data.forEach((clip) => {
    if (!clips.has(clip.id)) clips.set(clip.id, { ...clip, order: -++arrivals });
    put(clip);
  });
  changed();
}

/** All pages, for a search that leaves nothing out. */
export async function loadAll() {
  while (hasMore()) await loadMore();
}

/** A clip that may not be loaded yet. Throws ApiError where there is none. */
export async function find(id) {
  return clips.get(id) ?? put(await retrieve(id));
}

export async function remove(id) {
  const clip = clips.get(id);
  clips.delete(id); // before it is gone on the server: nobody is to ask for it any more
  watched.get(id)?.abort();
  try {
    await removeVideo(id);
  } catch (error) {
    if (clip) put(clip);
    throw error;
  }
  release(id);
  changed();
}

/** Open streams for what is most worth watching, and close those that are not. */
function watchSome() {
  const order = (clip) => (clip.status === "in_progress" ? 0 : 1);
  const worth = active()
    .reverse()
    .sort((a, b) => order(a) - order(b))
    .slice(0, STREAMS)
    .map(({ id }) => id);
  for (const [id, stop] of watched) if (!worth.includes(id)) stop.abort();
  worth.forEach(watch);
  if (!polling && active().some(({ id }) => !watched.has(id))) poll();
}

async function watch(id) {
  if (watched.has(id)) return;
  const stop = new AbortController();
  watched.set(id, stop);
  while (clips.has(id) && isActive(clips.get(id)) && !stop.signal.aborted) {
    try {
      await listen(`/videos/${id}/events`, (name, data) => hear(id, name, data), stop.signal);
      if (clips.has(id)) put(await retrieve(id)); // the whole of how it ended
    } catch (error) {
      if (error.name === "AbortError") break;
      if (error instanceof ApiError && error.status === 404) {
        clips.delete(id);
        changed();
        break;
      }
      await new Promise((done) => setTimeout(done, RETRY));
    }
  }
  watched.delete(id);
  watchSome();
}

/** Look at those that have no stream, now and then, as long as there are any. */
async function poll() {
  polling = true;
  for (;;) {
    await new Promise((done) => setTimeout(done, RETRY));
    const waiting = active().filter(({ id }) => !watched.has(id));
    if (!waiting.length) break;
    // The longest waiting one comes first: when it is no further, none of the others is.
    await retrieve(waiting.at(-1).id).then(put, () => {});
    await list(null).then(
      (page) => page.data.filter(({ id }) => clips.has(id)).forEach(put),
      () => {},
    );
  }
  polling = false;
}

function hear(id, name, data) {
  const clip = clips.get(id);
  if (!clip) return;
  if (name === "preview") clip.preview = data.n;
  if (name === "progress" && isActive(data)) {
    const began = clip.status !== data.status;
    Object.assign(clip, { status: data.status, progress: data.progress });
    if (began) changed();
  }
  if (name === "progress" || name === "preview")
    news.dispatchEvent(new CustomEvent("moved", { detail: clip }));
}
