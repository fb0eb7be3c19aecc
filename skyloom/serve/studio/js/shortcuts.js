// The whole studio from the keyboard; every key here has a button as well.

import { $, button, h } from "./dom.js";
import { go } from "./route.js";

const KEYS = [
  ["N", "write a prompt"],
  ["/", "search the library"],
  ["G", "library"],
  ["S", "storyboard"],
  ["Q", "queue"],
  ["?", "this list"],
  ["Enter", "in a prompt: make it; Shift+Enter is a new line"],
  ["← →", "on a handle: one frame; with Shift a second"],
  ["← →", "on the time line: the shot before or after"],
  ["Alt + ← →", "on the time line: move the shot"],
  ["Shift + ← →", "on the time line: shorter or longer"],
  ["Arrows, Space", "on the mask: move the brush, paint"],
  ["[ ]", "on the mask: smaller or larger brush"],
];

export function acceptShortcuts({ composer }) {
  const acts = {
    n: () => {
      if ($("composer").hidden) go("");
      setTimeout(composer.focus);
    },
    "/": () => {
      go("");
      setTimeout(() => $("search")?.focus());
    },
    g: () => go(""),
    s: () => go("story"),
    q: () => go("queue"),
    "?": showShortcuts,
  };
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog, [role=slider], canvas");
    const act = acts[event.key.toLowerCase()];
    if (typing || !act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}

export function showShortcuts() {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "keys-title", onclose: () => dialog.remove() },
    h("h2", { id: "keys-title" }, "Keyboard"),
    h(
      "dl",
      { class: "keys" },
      KEYS.map(([keys, what]) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, what))),
    ),
    h(
      "p",
      { class: "soft small" },
      "Everything here goes through the API: ",
      h("a", { href: "/docs" }, "its reference"),
      ".",
    ),
    h("div", { class: "row end" }, button("Close", { class: "primary", onclick: () => dialog.close() })),
  );
  document.body.append(dialog);
  dialog.showModal();
}
