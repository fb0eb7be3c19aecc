// Characters: reference shots by name, so that somebody or something comes back in later clips.

import { characters, createCharacter, removeCharacter } from "./api.js";
import { button, fill, freshId, h, icon } from "./dom.js";
import { busy, fail, say } from "./toast.js";

let known = null; // null is not asked yet

/** Chips to choose characters from; `chosen` is a Set of ids that this changes. */
export function characterChips(chosen) {
  const element = h("div", { class: "field wide", role: "group", "aria-label": "Characters", hidden: true });
  const render = () => {
    for (const id of chosen) if (!known.some((one) => one.id === id)) chosen.delete(id);
    element.hidden = known.length === 0;
    fill(
      element,
      h("span", { class: "label" }, "Characters"),
      h(
        "div",
        { class: "row" },
        known.map((one) =>
          h(
            "span",
            { class: "joined" },
            h(
              "button",
              {
                type: "button",
                class: "chip",
                "aria-pressed": String(chosen.has(one.id)),
                onclick: (event) => {
                  chosen.has(one.id) ? chosen.delete(one.id) : chosen.add(one.id);
                  event.currentTarget.setAttribute("aria-pressed", String(chosen.has(one.id)));
                },
              },
              icon("person", 16),
              one.name,
            ),
            button(`Forget ${one.name}`, {
              symbol: "close",
              quiet: true,
              onclick: (event) =>
                busy(event.currentTarget, async () => {
                  await removeCharacter(one.id);
                  known = known.filter(({ id }) => id !== one.id);
                  render();
                }),
            }),
          ),
        ),
      ),
    );
  };
  if (known) render();
  else
    characters().then((page) => {
      known = page.data;
      render();
    }, fail);
  return element;
}

/** Ask for a name, and keep what a finished clip shows under it. */
export function keepAsCharacter(clip) {
  const id = freshId("name");
  const name = h("input", { id, type: "text", required: true, maxlength: 100, autocomplete: "off" });
  const keep = h("button", { type: "submit", class: "primary" }, "Keep");
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": `${id}-title`, onclose: () => dialog.remove() },
    h(
      "form",
      {
        method: "dialog",
        onsubmit: (event) => {
          event.preventDefault();
          busy(keep, async () => {
            const made = await createCharacter(name.value.trim(), { id: clip.id });
            known?.unshift(made);
            dialog.close();
            say(`${made.name} can appear in new clips: choose it in the settings.`);
          });
        },
      },
      h("h2", { id: `${id}-title` }, "Keep as a character"),
      h("p", { class: "soft" }, "What this clip shows at its start can come back in other clips and films."),
      h("label", { for: id }, "Name"),
      name,
      h(
        "div",
        { class: "row end" },
        button("Cancel", { class: "ghost", onclick: () => dialog.close() }),
        keep,
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
