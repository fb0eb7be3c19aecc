// What waits and what runs, with the estimate so far; below it what failed, and what would help.

import * as clips from "./clips.js";
import { button, fill, h, icon } from "./dom.js";
import { settingsOf } from "./settings.js";
import { aspectOf, discard, failure, followProgress, kindOf, lengthOf, titleOf, working } from "./tile.js";

export function queue(root, _parts, { composer }) {
  const body = h("div", {});
  fill(
    root,
    h("div", { class: "page narrow" }, h("div", { class: "page-head" }, h("h1", {}, "Queue")), body),
  );
  const rows = new Map();

  function row(clip) {
    const state = clips.isActive(clip) ? "active" : clip.status;
    if (rows.get(clip.id)?.state === state) return rows.get(clip.id).element;
    const face = h(
      "div",
      { class: "queue-face", style: { "aspect-ratio": aspectOf(clip) } },
      clips.isActive(clip) ? working(clip) : h("div", { class: "broken" }, icon("warn")),
    );
    const again =
      clip.status === "failed" &&
      button("Use this prompt", {
        symbol: "reuse",
        onclick: () => composer.reuse(clip.prompt ?? "", settingsOf(clip)),
      });
    const stop = button(clips.isActive(clip) ? "Stop" : "Remove", {
      symbol: "close",
      onclick: (event) => discard(clip, event.currentTarget),
    });
    const element = h(
      "li",
      { class: "queue-row", data: { id: clip.id, status: clip.status } },
      face,
      h(
        "div",
        { class: "queue-words" },
        h("p", { class: "words" }, titleOf(clip)),
        h(
          "p",
          { class: "soft small" },
          [kindOf(clip), clip.size?.replace("x", " × "), lengthOf(clip)].filter(Boolean).join(" · "),
        ),
        clip.status === "failed" ? failure(clip) : null,
      ),
      h("div", { class: "row" }, again, stop),
    );
    rows.set(clip.id, { state, element });
    return element;
  }

  function render() {
    const now = clips.active().reverse(); // the oldest is made first
    const failed = clips.all().filter((clip) => clip.status === "failed");
    fill(
      body,
      now.length
        ? h("ul", { class: "queue", "aria-label": "In work" }, now.map(row))
        : h(
            "div",
            { class: "empty" },
            icon("queue", 40),
            h("h2", {}, "Nothing in work"),
            h("p", {}, "What you make shows here while it is made, step by step."),
          ),
      failed.length
        ? [h("h2", {}, "Failed"), h("ul", { class: "queue", "aria-label": "Failed" }, failed.map(row))]
        : null,
    );
  }

  clips.news.addEventListener("change", render);
  const stop = followProgress(body);
  render();
  return () => {
    clips.news.removeEventListener("change", render);
    stop();
  };
}
