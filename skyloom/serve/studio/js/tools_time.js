// Editing in time: what stays of a clip, and what is made before, after and between.
//
// A tool gets {source, video, stage, below} and returns {body, order}: form parts, and a function
// that gives the fields of the API, or {remix: fields}. `stage` lies over the picture, `below` under it.

import { button, fill, h } from "./dom.js";
import { choice, labelled, number, words } from "./fields.js";
import { keepStretches } from "./keep.js";
import { inputOf, pick } from "./picker.js";
import { trimStrip } from "./trim.js";

export function recut({ source, video, below }) {
  const strip = trimStrip(video, { ...source, label: "cut" });
  fill(below, strip.element);
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(2, { min: 0.25, max: 60, step: "any" });
  const secondsField = labelled("New seconds", seconds);
  const rest = choice(
    "Keep this stretch, and",
    [
      ["after", "go on after it"],
      ["before", "make what leads to it"],
      ["loop", "lead back to its start"],
      ["anew", "make the rest anew"],
    ],
    "after",
    (now) => {
      secondsField.hidden = now === "anew";
    },
  );
  return {
    body: [rest.element, secondsField, labelled("What happens there", prompt)],
    order() {
      const fields = { video: inputOf(source), prompt: prompt.value.trim() };
      const kind = rest.value();
      if (kind === "anew") {
        if (strip.whole())
          throw new Error(
            "The whole clip is kept, which leaves nothing to make: move a handle under the picture.",
          );
        return { ...fields, operation: "fill", keep: [strip.value()] };
      }
      const trim = strip.whole() ? null : strip.value();
      return {
        ...fields,
        trim,
        seconds: seconds.value,
        operation: kind === "loop" ? "loop" : "extend",
        backward: kind === "before",
      };
    },
  };
}

export function extend({ source }) {
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(4, { min: 0.25, max: 60, step: "any" });
  const side = choice(
    "New frames come",
    [
      ["after", "after it"],
      ["before", "before it"],
    ],
    "after",
  );
  return {
    body: [side.element, labelled("New seconds", seconds), labelled("What happens there", prompt)],
    order: () => ({
      operation: "extend",
      video: inputOf(source),
      prompt: prompt.value.trim(),
      seconds: seconds.value,
      backward: side.value() === "before",
    }),
  };
}

export function loop({ source }) {
  const prompt = words(source.clip?.prompt ?? "");
  const seconds = number(2, { min: 0.25, max: 60, step: "any" });
  return {
    body: [labelled("Seconds of the way back", seconds), labelled("What happens there", prompt)],
    order: () => ({
      operation: "loop",
      video: inputOf(source),
      prompt: prompt.value.trim(),
      seconds: seconds.value,
    }),
  };
}

export const blend = (context) => withSecond(context, "blend", "The scene it turns into");
export const connect = (context) =>
  withSecond(
    context,
    "connect",
    "The clip it leads to",
    labelled("Seconds between them", number(2, { min: 0.25, max: 60, step: "any" })),
  );

function withSecond({ source }, operation, label, length = null) {
  const prompt = words("");
  let second = null;
  const name = h("span", { class: "soft" }, "none yet");
  const chooser = button("Choose a clip", {
    symbol: "film",
    onclick: async () => {
      second = (await pick({ title: label, but: source.clip?.id })) ?? second;
      if (second) name.textContent = second.name;
    },
  });
  return {
    body: [
      h(
        "div",
        { class: "field", role: "group", "aria-label": label },
        h("span", { class: "label" }, label),
        h("div", { class: "row" }, chooser, name),
      ),
      length,
      labelled("On the way", prompt),
    ],
    order() {
      if (!second) {
        chooser.focus();
        throw new Error("There is no second clip yet: choose one.");
      }
      return {
        operation,
        video: inputOf(source),
        second: inputOf(second),
        prompt: prompt.value.trim(),
        seconds: length?.querySelector("input").value,
      };
    },
  };
}

export function fillGaps({ source, video, below }) {
  const kept = keepStretches(video, source);
  fill(below, kept.element);
  const prompt = words(source.clip?.prompt ?? "");
  return {
    body: [
      h("p", { class: "soft" }, "Mark under the picture what stays. All other frames are made to fit."),
      labelled("What happens between", prompt),
    ],
    order: () => ({
      operation: "fill",
      video: inputOf(source),
      keep: kept.value(),
      prompt: prompt.value.trim(),
    }),
  };
}
