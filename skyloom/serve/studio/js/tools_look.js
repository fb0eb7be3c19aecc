// Editing what is seen: other words, another look, another size, a picture that moves.
//
// A tool gets {source, video, stage, below} and returns {body, order}: form parts, and a function
// that gives the fields of the API, or {remix: fields}. `stage` lies over the picture, `below` under it.

import { fill, h } from "./dom.js";
import { choice, labelled, number, slider, words } from "./fields.js";
import { maskPainter } from "./mask.js";
import { pathPainter } from "./path.js";
import { inputOf } from "./picker.js";

const REFINED = 0.55; // how much of a draft is made anew, as on the command line

export function remix({ source }) {
  const prompt = words(source.clip.prompt ?? "");
  return {
    body: [labelled("In other words", prompt)],
    order: () => ({ remix: { prompt: needed(prompt, "Say what should be different.") } }),
  };
}

export function restyle({ source, stage, video }) {
  const prompt = words(source.clip?.prompt ?? "");
  const strength = slider(0.7, { min: 0, max: 1, step: 0.05 }, strengthWords);
  const mask = maskPainter(source.size);
  const where = choice(
    "Change",
    [
      ["all", "everywhere"],
      ["mask", "where I paint"],
    ],
    "all",
    (now) => {
      const painting = now === "mask";
      if (video) video.controls = !painting; // its bar would lie under the brush
      if (painting) video?.pause();
      fill(stage, painting ? mask.layer : null);
      mask.tools.hidden = !painting;
      if (painting) mask.layer.querySelector("canvas").focus();
    },
  );
  mask.tools.hidden = true;
  return {
    body: [
      labelled("In other words", prompt),
      labelled("Strength", strength.range, null, strength.shown),
      where.element,
      mask.tools,
    ],
    async order() {
      const painted = where.value() === "mask" ? await mask.file() : null;
      if (where.value() === "mask" && !painted)
        throw new Error("Nothing is painted yet: paint over what should change, or choose 'everywhere'.");
      return {
        operation: "restyle",
        video: inputOf(source),
        mask: painted,
        strength: strength.range.value,
        prompt: needed(prompt, "Say what it should look like."),
      };
    },
  };
}

const strengthWords = (value) =>
  `${value.toFixed(2)}: ${value < 0.7 ? "a touch" : value < 0.92 ? "clearly other" : "nearly anew"}`;

export function fullSize({ source }) {
  const larger = source.size.map((side) => side * 2);
  const sizes = [larger, source.size.map((side) => side * 4)]
    .filter((size) => Math.max(...size) <= 2048)
    .map((size) => size.join("x"));
  const size = h(
    "select",
    {},
    sizes.map((one) => h("option", { value: one }, one.replace("x", " × "))),
  );
  const strength = slider(REFINED, { min: 0, max: 1, step: 0.05 }, strengthWords);
  const prompt = words(source.clip?.prompt ?? "");
  return {
    body: [
      labelled("Size", size),
      labelled("Made anew", strength.range, null, strength.shown),
      labelled("What it shows", prompt),
    ],
    order: () => ({
      operation: "restyle",
      video: inputOf(source),
      size: size.value,
      strength: strength.range.value,
      prompt: needed(prompt, "Say what it shows."),
    }),
  };
}

export function animate({ source, stage }) {
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(4, { min: 0.25, max: 60, step: "any" });
  const painter = pathPainter();
  const how = choice(
    "The picture is",
    [
      ["start", "the first frame"],
      ["end", "the last frame"],
      ["path", "moved along a path"],
    ],
    "start",
    (now) => {
      fill(stage, now === "path" ? painter.layer : null);
      painter.tools.hidden = now !== "path";
      if (now === "path") painter.layer.querySelector("[tabindex]").focus();
    },
  );
  painter.tools.hidden = true;
  return {
    body: [how.element, painter.tools, labelled("What happens", prompt), labelled("Seconds", seconds)],
    order() {
      const moved = how.value() === "path";
      const path = moved ? painter.value(seconds.valueAsNumber) : null;
      if (moved && !path)
        throw new Error("There is no path yet: drag from what should move to where it goes.");
      return {
        operation: "animate",
        input_reference: inputOf(source),
        prompt: prompt.value.trim(),
        seconds: seconds.value,
        at: moved ? "start" : how.value(),
        path,
      };
    },
  };
}

/** The words of a field that may not be empty. */
function needed(field, otherwise) {
  const said = field.value.trim();
  if (said) return said;
  field.focus();
  throw new Error(`There are no words yet. ${otherwise}`);
}
