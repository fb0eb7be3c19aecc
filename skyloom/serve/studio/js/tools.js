// Each way to edit: what it asks of a person, and the order that comes of it. One function a tool.
//
// A tool gets {source, video, stage, below} and returns {body, order}: form parts, and a function
// that gives the fields of the API, or {remix: fields}. `stage` lies over the picture, `below` under it.

import { button, fill, h } from "./dom.js";
import { choice, labelled, number, slider, words } from "./fields.js";
import { keepStretches } from "./keep.js";
import { maskPainter } from "./mask.js";
import { pathPainter } from "./path.js";
import { inputOf, pick } from "./picker.js";
import { trimStrip } from "./trim.js";

const REFINED = 0.55; // how much of a draft is made anew, as on the command line

function remix({ source }) {
  const prompt = words(source.clip.prompt ?? "");
  return {
    body: [labelled("In other words", prompt)],
    order: () => ({ remix: { prompt: needed(prompt, "Say what should be different.") } }),
  };
}

function recut({ source, video, below }) {
  const strip = trimStrip(video, { ...source, label: "cut" });
  fill(below, strip.element);
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(2, { min: 0.25, max: 60, step: "any" });
  const secondsField = labelled("New seconds", seconds);
  const rest = choice("Keep this stretch, and", [
    ["after", "go on after it"], ["before", "make what leads to it"], ["loop", "lead back to its start"], ["anew", "make the rest anew"],
  ], "after", (now) => { secondsField.hidden = now === "anew"; });
  return {
    body: [rest.element, secondsField, labelled("What happens there", prompt)],
    order() {
      const fields = { video: inputOf(source), prompt: prompt.value.trim() };
      const kind = rest.value();
      if (kind === "anew") {
        if (strip.whole()) throw new Error("The whole clip is kept, which leaves nothing to make: move a handle under the picture.");
        return { ...fields, operation: "fill", keep: [strip.value()] };
      }
      const trim = strip.whole() ? null : strip.value();
      return { ...fields, trim, seconds: seconds.value, operation: kind === "loop" ? "loop" : "extend", backward: kind === "before" };
    },
  };
}

function extend({ source }) {
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(4, { min: 0.25, max: 60, step: "any" });
  const side = choice("New frames come", [["after", "after it"], ["before", "before it"]], "after");
  return {
    body: [side.element, labelled("New seconds", seconds), labelled("What happens there", prompt)],
    order: () => ({
      operation: "extend", video: inputOf(source), prompt: prompt.value.trim(), seconds: seconds.value,
      backward: side.value() === "before",
    }),
  };
}

function loop({ source }) {
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(2, { min: 0.25, max: 60, step: "any" });
  return {
    body: [labelled("Seconds of the way back", seconds), labelled("What happens there", prompt)],
    order: () => ({ operation: "loop", video: inputOf(source), prompt: prompt.value.trim(), seconds: seconds.value }),
  };
}

const blend = (context) => withSecond(context, "blend", "The scene it turns into");
const connect = (context) => withSecond(context, "connect", "The clip it leads to",
  labelled("Seconds between them", number(2, { min: 0.25, max: 60, step: "any" })));

function withSecond({ source }, operation, label, length = null) {
  const prompt = words("");
  let second = null;
  const name = h("span", { class: "soft" }, "none yet");
  const chooser = button("Choose a clip", { symbol: "film", onclick: async () => {
    second = (await pick({ title: label, but: source.clip?.id })) ?? second;
    if (second) name.textContent = second.name;
  } });
  return {
    body: [h("div", { class: "field", role: "group", "aria-label": label }, h("span", { class: "label" }, label), h("div", { class: "row" }, chooser, name)),
      length, labelled("On the way", prompt)],
    order() {
      if (!second) {
        chooser.focus();
        throw new Error("There is no second clip yet: choose one.");
      }
      return {
        operation, video: inputOf(source), second: inputOf(second), prompt: prompt.value.trim(),
        seconds: length?.querySelector("input").value,
      };
    },
  };
}

function fillGaps({ source, video, below }) {
  const kept = keepStretches(video, source);
  fill(below, kept.element);
  const prompt = words(source.clip?.prompt ?? "");
  return {
    body: [h("p", { class: "soft" }, "Mark under the picture what stays. All other frames are made to fit."), labelled("What happens between", prompt)],
    order: () => ({ operation: "fill", video: inputOf(source), keep: kept.value(), prompt: prompt.value.trim() }),
  };
}

function restyle({ source, stage, video }) {
  const prompt = words(source.clip?.prompt ?? "");
  const strength = slider(0.6, { min: 0, max: 1, step: 0.05 }, strengthWords);
  const mask = maskPainter(source.size);
  const where = choice("Change", [["all", "everywhere"], ["mask", "where I paint"]], "all", (now) => {
    const painting = now === "mask";
    if (video) video.controls = !painting; // its bar would lie under the brush
    if (painting) video?.pause();
    fill(stage, painting ? mask.layer : null);
    mask.tools.hidden = !painting;
    if (painting) mask.layer.querySelector("canvas").focus();
  });
  mask.tools.hidden = true;
  return {
    body: [labelled("In other words", prompt), labelled("Strength", strength.range, null, strength.shown), where.element, mask.tools],
    async order() {
      const painted = where.value() === "mask" ? await mask.file() : null;
      if (where.value() === "mask" && !painted) throw new Error("Nothing is painted yet: paint over what should change, or choose 'everywhere'.");
      return {
        operation: "restyle", video: inputOf(source), mask: painted, strength: strength.range.value,
        prompt: needed(prompt, "Say what it should look like."),
      };
    },
  };
}

const strengthWords = (value) => `${value.toFixed(2)}: ${value < 0.35 ? "a touch" : value < 0.7 ? "clearly other" : "nearly anew"}`;

function fullSize({ source }) {
  const larger = source.size.map((side) => side * 2);
  const sizes = [larger, source.size.map((side) => side * 4)].filter((size) => Math.max(...size) <= 2048).map((size) => size.join("x"));
  const size = h("select", {}, sizes.map((one) => h("option", { value: one }, one.replace("x", " × "))));
  const strength = slider(REFINED, { min: 0, max: 1, step: 0.05 }, strengthWords);
  const prompt = words(source.clip?.prompt ?? "");
  return {
    body: [labelled("Size", size), labelled("Made anew", strength.range, null, strength.shown), labelled("What it shows", prompt)],
    order: () => ({
      operation: "restyle", video: inputOf(source), size: size.value, strength: strength.range.value,
      prompt: needed(prompt, "Say what it shows."),
    }),
  };
}

function animate({ source, stage }) {
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(4, { min: 0.25, max: 60, step: "any" });
  const painter = pathPainter();
  const how = choice("The picture is", [["start", "the first frame"], ["end", "the last frame"], ["path", "moved along a path"]], "start", (now) => {
    fill(stage, now === "path" ? painter.layer : null);
    painter.tools.hidden = now !== "path";
    if (now === "path") painter.layer.querySelector("[tabindex]").focus();
  });
  painter.tools.hidden = true;
  return {
    body: [how.element, painter.tools, labelled("What happens", prompt), labelled("Seconds", seconds)],
    order() {
      const moved = how.value() === "path";
      const path = moved ? painter.value(seconds.valueAsNumber) : null;
      if (moved && !path) throw new Error("There is no path yet: drag from what should move to where it goes.");
      return {
        operation: "animate", input_reference: inputOf(source), prompt: prompt.value.trim(), seconds: seconds.value,
        at: moved ? "start" : how.value(), path,
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

/** All tools in the order in which they are offered. */
export const TOOLS = [
  { name: "remix", label: "Remix", symbol: "remix", about: "The same clip told in other words.", on: ["clip"], own: true, build: remix },
  { name: "recut", label: "Re-cut", symbol: "cut", about: "Keep the best stretch, and go on from it.", on: ["clip"], build: recut },
  { name: "extend", label: "Extend", symbol: "extend", about: "More, at either end. Given frames stay as they are.", on: ["clip"], build: extend },
  { name: "loop", label: "Loop", symbol: "loop", about: "A way back to its start, so that it plays for ever.", on: ["clip"], build: loop },
  { name: "blend", label: "Blend", symbol: "blend", about: "One scene becomes another, over the length of the shorter.", on: ["clip"], build: blend },
  { name: "connect", label: "Connect", symbol: "connect", about: "What happens between this clip and the next.", on: ["clip"], build: connect },
  { name: "fill", label: "Fill", symbol: "fill", about: "Frames to keep, and new ones between them.", on: ["clip"], build: fillGaps },
  { name: "restyle", label: "Restyle", symbol: "brush", about: "Another look, everywhere or where you paint.", on: ["clip", "picture"], build: restyle },
  { name: "full", label: "Full size", symbol: "grow", about: "A draft again, larger and finer.", on: ["clip", "picture"], build: fullSize },
  { name: "animate", label: "Animate", symbol: "film", about: "The picture comes to life.", on: ["picture"], build: animate },
];
