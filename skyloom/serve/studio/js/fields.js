// Form parts that the tools of the workbench share.

import { h } from "./dom.js";
import { CAMERA, labelled } from "./settings.js";

export { labelled };

export const words = (value, placeholder = "") => h("textarea", { rows: 3, value, placeholder });

export const number = (value, bounds) => h("input", { type: "number", value, required: true, ...bounds });

/** A slider that says its value. */
export function slider(value, bounds, say = String) {
  const shown = h("output", { class: "soft small" }, say(value));
  const range = h("input", {
    type: "range",
    value,
    ...bounds,
    oninput: () => {
      shown.textContent = say(range.valueAsNumber);
    },
  });
  // Attributes may come after the value: a step of 0.05 would round what was set before it.
  range.value = value;
  return { range, shown };
}

/** One of several: buttons that exclude each other, as radio buttons for keys and readers. */
export function choice(legend, options, value, onchange = () => {}) {
  const name = `choice-${legend.replace(/\W/g, "")}-${Math.random().toString(36).slice(2, 7)}`;
  const element = h(
    "fieldset",
    { class: "choice" },
    h("legend", {}, legend),
    options.map(([one, label]) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name,
          value: one,
          checked: one === value,
          onchange: () => onchange(one),
        }),
        h("span", {}, label),
      ),
    ),
  );
  return { element, value: () => element.querySelector("input:checked").value };
}

/** Seed, steps, guidance, camera and what it should not be: folded away, from what made the source. */
export function finer(source) {
  const made = source.clip?.skyloom ?? {};
  const seed = number(made.seed ?? 0, { min: 0, step: 1 });
  const open = { required: false, placeholder: "auto" }; // left open, the server chooses what suits the operation
  const steps = number(made.steps ?? "", { min: 1, max: 200, step: 1, ...open });
  const guidance = number("", { min: 0, max: 20, step: "any", ...open });
  const camera = h("input", {
    type: "text",
    value: made.camera ?? "",
    list: "moves-of-camera",
    placeholder: "as you like",
  });
  const negative = h("input", { type: "text", value: made.negative_prompt ?? "" });
  const element = h(
    "details",
    { class: "finer" },
    h("summary", {}, "Finer settings"),
    h(
      "div",
      { class: "settings" },
      labelled("Seed", seed),
      labelled("Steps", steps),
      labelled("Guidance", guidance),
      labelled("Camera", camera),
      labelled("Not this", negative),
    ),
    h(
      "datalist",
      { id: "moves-of-camera" },
      CAMERA.map((move) => h("option", { value: move })),
    ),
  );
  return {
    element,
    fields: () => ({
      seed: seed.value,
      steps: steps.value,
      guidance_scale: guidance.value,
      camera: camera.value.trim(),
      negative_prompt: negative.value.trim(),
    }),
  };
}
