// The public HTTP API and nothing else: what this file can do, any client can.

import { key } from "./keyring.js";

/** What the server said is wrong, in its own words; `param` names the field that it is about. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = null, param = null } = {}) {
    super(message);
    Object.assign(this, { status, code, param });
  }
}

/** A response of the server, with the key where there is one.
 * Throws ApiError when the server cannot be reached or refuses. */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key()) headers.set("Authorization", `Bearer ${key()}`);
  let response;
  try {
    response = await fetch(`/v1${path}`, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached.", { code: "unreachable" });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  const { message, code, param } = body.error ?? {};
  return new ApiError(message ?? `The server answered ${response.status}.`, {
    status: response.status,
    code,
    param,
  });
}

const json = async (path, options) => (await request(path, options)).json();

export const models = () => json("/models");
export const retrieve = (id) => json(`/videos/${id}`);
export const remove = (id) => json(`/videos/${id}`, { method: "DELETE" });
export const list = (after, limit = 30) =>
  json(`/videos?limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ""}`);

/** Order a video. Values of `fields`: text, numbers, true, files, `{id}` of an own video, and lists
 * or other objects, which travel as JSON; what is null, "" or false is left to the server. */
export async function create(fields, path = "/videos") {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) append(form, name, value);
  // A retried request with the same key makes one job, however often the network breaks.
  const headers = { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) };
  return json(path, { method: "POST", body: form, headers });
}

function append(form, name, value) {
  if (value === null || value === undefined || value === "" || value === false) return;
  if (value instanceof Blob) form.append(name, value, value.name ?? `${name}.png`);
  else if (typeof value === "object" && Object.keys(value).join() === "id")
    form.append(`${name}[id]`, value.id);
  else form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
}

export const remix = (id, fields) =>
  json(`/videos/${id}/remix`, {
    method: "POST",
    body: JSON.stringify(fields),
    headers: { "Content-Type": "application/json" },
  });

export const characters = () => json("/videos/characters");
export const createCharacter = (name, video) => create({ name, video }, "/videos/characters");
export const removeCharacter = (id) => json(`/videos/characters/${id}`, { method: "DELETE" });

export const contentPath = (id, variant = "video") => `/videos/${id}/content?variant=${variant}`;

export const content = async (id, variant) => (await request(contentPath(id, variant))).blob();
