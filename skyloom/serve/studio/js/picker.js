// Choosing a clip or picture: one of the library, or a file of this computer.

import * as clips from "./clips.js";
import { button, fill, h } from "./dom.js";
import { probe, show } from "./media.js";
import { titleOf } from "./tile.js";
import { fail } from "./toast.js";

/** What was chosen, or null.
 * A source is {kind: "clip" | "picture", name, clip | file, address (of a file), seconds, size}. */
export function pick({ title, accept = "video/*", kinds = ["clip"], but = null }) {
  return new Promise((done) => {
    let chosen = null;
    const choose = (source) => {
      chosen = source;
      dialog.close();
    };
    const file = h("input", {
      type: "file",
      accept,
      hidden: true,
      "aria-label": "File",
      onchange: () => sourceOfFile(file.files[0]).then(choose, fail),
    });
    const found = h("div", { class: "pick-grid" });
    const search = h("input", {
      type: "search",
      placeholder: "Search the prompts",
      "aria-label": "Search the prompts",
      oninput: render,
    });
    const dialog = h(
      "dialog",
      {
        class: "dialog wide",
        "aria-labelledby": "pick-title",
        onclose: () => {
          dialog.remove();
          done(chosen);
        },
      },
      h("h2", { id: "pick-title" }, title),
      h(
        "div",
        { class: "row" },
        search,
        button("A file", { symbol: "plus", onclick: () => file.click() }),
        file,
      ),
      found,
      h("div", { class: "row end" }, button("Cancel", { class: "ghost", onclick: () => dialog.close() })),
    );

    function render() {
      const words = search.value.toLowerCase();
      const offered = clips
        .all()
        .filter(
          (clip) =>
            clips.isReady(clip) &&
            clip.id !== but &&
            kinds.includes(clips.isPicture(clip) ? "picture" : "clip") &&
            titleOf(clip).toLowerCase().includes(words),
        );
      fill(
        found,
        offered.length
          ? offered.map((clip) =>
              h(
                "button",
                {
                  type: "button",
                  class: "pick",
                  onclick: () => choose(sourceOfClip(clip)),
                },
                show(h("img", { alt: "" }), clip.id, "thumbnail"),
                h("span", {}, titleOf(clip)),
              ),
            )
          : h("p", { class: "soft" }, "Nothing in the library fits; choose a file."),
      );
    }

    render();
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function sourceOfClip(clip) {
  return {
    kind: clips.isPicture(clip) ? "picture" : "clip",
    clip,
    name: titleOf(clip),
    seconds: Number(clip.skyloom?.delivered?.seconds ?? clip.seconds) || 0,
    fps: clip.skyloom?.delivered?.fps ?? 12,
    size: (clip.size ?? "128x128").split("x").map(Number),
  };
}

export async function sourceOfFile(file) {
  const { address, seconds, size } = await probe(file);
  return { kind: seconds ? "clip" : "picture", file, name: file.name, address, seconds, size, fps: 12 };
}

/** What the API takes for a source: the file itself, or the id of an own video. */
export const inputOf = (source) => source.file ?? { id: source.clip.id };
