// The library: everything made so far, searched by its words, each with the prompt that made it.

import * as clips from "./clips.js";
import { fill, h, icon } from "./dom.js";
import { settingsOf } from "./settings.js";
import { kindOf, tile, followProgress, VERBS } from "./tile.js";
import { fail } from "./toast.js";

let asked = ""; // what was searched for stays when one comes back from a clip
let kind = "";

export function gallery(root, _parts, { composer }) {
  const grid = h("div", { class: "grid", role: "list", "aria-label": "Clips" });
  const count = h("p", { class: "soft small found", role: "status" });
  const end = h("div", { class: "end" });
  const search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search the prompts",
    "aria-label": "Search the prompts",
    value: asked,
    oninput: () => {
      asked = search.value;
      find();
    },
  });
  const filter = h(
    "select",
    {
      "aria-label": "Kind",
      onchange: () => {
        kind = filter.value;
        find();
      },
    },
    h("option", { value: "" }, "All kinds"),
    ["Remix", ...new Set(Object.values(VERBS))].map((one) => h("option", { selected: one === kind }, one)),
  );
  fill(
    root,
    h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "page-head" },
        h("h1", {}, "Library"),
        h("div", { class: "row" }, h("div", { class: "search" }, icon("search", 18), search), filter),
      ),
      count,
      grid,
      end,
    ),
  );

  const reuse = (clip) => composer.reuse(clip.prompt ?? "", settingsOf(clip));
  const tiles = new Map(); // id -> {state, element}: a tile that did not change goes on playing

  function render() {
    const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
    const found = clips.all().filter((clip) => matches(clip, words));
    const elements = found.map((clip) => {
      const state = `${clip.status} ${clip.error?.message ?? ""}`;
      let known = tiles.get(clip.id);
      if (known?.state !== state) {
        const element = h("div", { role: "listitem" }, tile(clip, reuse));
        tiles.set(clip.id, (known = { state, element }));
      }
      return known.element;
    });
    place(grid, elements);
    count.textContent = asked || kind ? `${found.length} ${found.length === 1 ? "clip" : "clips"} found` : "";
    grid.hidden = found.length === 0;
    fill(end, found.length === 0 && clips.isLoaded() && !clips.hasMore() ? empty() : null);
    // Always last, so that reaching it loads the next page.
    if (clips.hasMore()) end.append(h("p", { class: "soft small" }, "Loading more"));
  }

  function empty() {
    if (asked || kind)
      return h(
        "div",
        { class: "empty" },
        h("h2", {}, "Nothing found"),
        h("p", {}, "Try fewer words, or all kinds."),
      );
    return h(
      "div",
      { class: "empty" },
      icon("film", 40),
      h("h2", {}, "Nothing here yet"),
      h("p", {}, "Describe a video below, or drop a picture or a clip anywhere."),
      h(
        "div",
        { class: "row centre" },
        EXAMPLES.map((words) =>
          h(
            "button",
            {
              type: "button",
              class: "chip",
              onclick: () => composer.reuse(words),
            },
            words,
          ),
        ),
      ),
    );
  }

  const find = () => {
    render();
    if (asked || kind) clips.loadAll().catch(fail); // a search that leaves nothing out
  };
  const reached = new IntersectionObserver(
    ([{ isIntersecting }]) => {
      if (isIntersecting && clips.hasMore()) clips.loadMore().catch(fail);
    },
    { rootMargin: "600px" },
  );
  reached.observe(end);
  clips.news.addEventListener("change", render);
  const stop = followProgress(grid);
  render();
  return () => {
    clips.news.removeEventListener("change", render);
    reached.disconnect();
    stop();
  };
}

const EXAMPLES = [
  "a red ball rolls across the snow at sunset",
  "a yellow robot walks on the beach",
  "a blue car drives right in the desert",
];

function matches(clip, words) {
  const said = `${clip.prompt ?? ""} ${kindOf(clip)} ${clip.skyloom?.camera ?? ""} ${clip.id}`.toLowerCase();
  return (!kind || kindOf(clip) === kind) && words.every((word) => said.includes(word));
}

/** The children of an element, moved as little as possible: moving a <video> would stop it. */
function place(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}
