// How a clip is to be made: the fields, their bounds, and what they mean to the API.

import { button, freshId, h } from "./dom.js";

const PLACE = "skyloom.settings";
export const CAMERA = [
  "still",
  "pan left",
  "pan right",
  "orbit left",
  "orbit right",
  "dolly in",
  "dolly out",
  "crane up",
  "crane down",
  "follow",
];
// Larger ones are made at the model's own nearest size and scaled; the server says so in its notes.
const SIZES = [
  "128x128",
  "160x96",
  "96x160",
  "64x64",
  "256x256",
  "320x192",
  "192x320",
  "512x512",
  "1280x720",
  "720x1280",
];
const DRAFT_STEPS = 10;
const DEFAULTS = {
  kind: "video",
  size: "128x128",
  seconds: 4,
  variations: 1,
  steps: "",
  guidance: "",
  seed: "",
  negative: "",
  camera: "",
  loop: false,
  draft: false,
};

/** The settings as they stand, remembered by the browser. */
export function createSettings() {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
  } catch {
    /* what another version left there is no use */
  }
  const values = { ...DEFAULTS, ...kept };
  const target = new EventTarget();
  return {
    values,
    onchange: (listener) => target.addEventListener("change", listener),
    set(changes) {
      Object.assign(values, changes);
      localStorage.setItem(PLACE, JSON.stringify(values));
      target.dispatchEvent(new Event("change"));
    },
    reset() {
      this.set(DEFAULTS);
    },
  };
}

/** The size of a draft: half, on the grid of 32 that every model here knows. */
export const draftSize = (size) =>
  size
    .split("x")
    .map((side) => Math.max(32, Math.round(side / 64) * 32))
    .join("x");

/** A seed that the field left open; shown afterwards, so that any clip can be made again. */
export const anySeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

/** What the API is asked for. `variation` counts up the seed. */
export function fieldsOf(values, variation = 0) {
  const picture = values.kind === "image";
  return {
    operation: picture ? "image" : null,
    size: values.draft ? draftSize(values.size) : values.size,
    seconds: picture ? null : values.seconds,
    seed: (values.seed === "" ? anySeed() : Number(values.seed)) + variation,
    steps: values.draft ? Math.min(values.steps || DRAFT_STEPS, DRAFT_STEPS) : values.steps,
    guidance_scale: values.guidance,
    negative_prompt: values.negative,
    camera: picture ? "" : values.camera,
    loop: !picture && values.loop,
  };
}

/** The settings that made a clip, to start from again. */
export function settingsOf(clip) {
  const made = clip.skyloom ?? {};
  return {
    kind: made.operation === "image" ? "image" : "video",
    size: clip.size ?? DEFAULTS.size,
    seconds: Number(made.seconds ?? clip.seconds) || DEFAULTS.seconds,
    seed: made.seed === undefined ? "" : String(made.seed),
    steps: made.steps ?? "",
    guidance: made.guidance_scale ?? "",
    negative: made.negative_prompt ?? "",
    camera: made.camera ?? "",
    loop: Boolean(made.loop),
    draft: false,
  };
}

/** In a few words what will be made. */
export function summary(values) {
  const parts = [values.draft ? `${draftSize(values.size)} draft` : values.size.replace("x", " × ")];
  if (values.kind === "video") parts.push(`${values.seconds} s`);
  if (values.variations > 1) parts.push(`${values.variations} variations`);
  if (values.loop && values.kind === "video") parts.push("loop");
  return parts.join(" · ");
}

/** The panel of all fields. `facts` is what /v1/models says of the model. */
export function settingsPanel(settings, facts = {}) {
  const { values } = settings;
  const offered = [...new Set([...(facts.native_sizes ?? []), values.size, ...SIZES])];
  const number = (name, label, bounds, hint) =>
    labelled(
      label,
      h("input", {
        type: "number",
        ...bounds,
        value: values[name],
        "data-setting": name,
        onchange: ({ target }) =>
          target.checkValidity() && settings.set({ [name]: target.value === "" ? "" : target.valueAsNumber }),
      }),
      hint,
    );
  const size = labelled(
    "Size",
    h(
      "select",
      { "data-setting": "size", onchange: (e) => settings.set({ size: e.target.value }) },
      offered.map((one) =>
        h("option", { value: one, selected: one === values.size }, one.replace("x", " × ")),
      ),
    ),
  );
  const camera = h("input", {
    type: "text",
    value: values.camera,
    placeholder: "as you like",
    list: "camera-moves",
    "data-setting": "camera",
    oninput: (event) => settings.set({ camera: event.target.value.trim() }),
  });
  const seed = h("input", {
    type: "number",
    min: 0,
    step: 1,
    value: values.seed,
    placeholder: "any",
    "data-setting": "seed",
    onchange: (event) => event.target.checkValidity() && settings.set({ seed: event.target.value }),
  });
  const dice = button("Another seed", {
    symbol: "dice",
    quiet: true,
    onclick: () => {
      seed.value = String(anySeed());
      settings.set({ seed: seed.value });
    },
  });
  const seconds =
    values.kind === "video"
      ? number("seconds", "Seconds", {
          min: 0.25,
          max: facts.longest_seconds ?? 600,
          step: "any",
          required: true,
        })
      : null;
  return h(
    "div",
    { class: "settings" },
    size,
    seconds,
    number("variations", "Variations", { min: 1, max: 4, step: 1, required: true }),
    values.kind === "video" ? labelled("Camera", camera) : null,
    labelled("Seed", seed, null, dice),
    number(
      "steps",
      "Steps",
      { min: 1, max: facts.most_steps ?? 200, step: 1, placeholder: String(facts.steps ?? "auto") },
      "more is finer and slower",
    ),
    number(
      "guidance",
      "Guidance",
      { min: 0, max: 20, step: "any", placeholder: "auto" },
      "how closely it keeps to the words",
    ),
    labelled(
      "Not this",
      h("input", {
        type: "text",
        value: values.negative,
        placeholder: "blurry",
        "data-setting": "negative",
        oninput: (event) => settings.set({ negative: event.target.value }),
      }),
      "what it should not be like",
    ),
    h(
      "datalist",
      { id: "camera-moves" },
      CAMERA.map((move) => h("option", { value: move })),
    ),
    h(
      "div",
      { class: "row wide" },
      values.kind === "video" ? check("Plays for ever (loop)", "loop", settings) : null,
      button("Defaults", { class: "link", onclick: () => settings.reset() }),
    ),
  );
}

/** A field under its label, with a hint that belongs to it. */
export function labelled(label, field, hint, extra) {
  const id = freshId("field");
  field.id = id;
  if (hint) field.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    extra ? h("div", { class: "joined" }, field, extra) : field,
    hint && h("small", { id: `${id}-hint`, class: "soft" }, hint),
  );
}

function check(label, name, settings) {
  return h(
    "label",
    { class: "check" },
    h("input", {
      type: "checkbox",
      checked: settings.values[name],
      "data-setting": name,
      onchange: (event) => settings.set({ [name]: event.target.checked }),
    }),
    label,
  );
}
