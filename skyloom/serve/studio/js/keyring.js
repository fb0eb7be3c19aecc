// The key of a server that asks for one: kept in this browser, sent to this server alone.

import { button, h } from "./dom.js";

const PLACE = "skyloom.key";

export const key = () => localStorage.getItem(PLACE) ?? "";

let asking = null;

/** Ask for a key, once however many requests were refused; true when one was given. */
export function askForKey(why = "This server asks for a key.") {
  asking ??= new Promise((done) => {
    const field = h("input", {
      id: "key-field",
      type: "password",
      autocomplete: "off",
      required: true,
      spellcheck: "false",
      value: key(),
    });
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "key-title" },
      h(
        "form",
        { method: "dialog", onsubmit: () => dialog.close("given") },
        h("h2", { id: "key-title" }, "Your key"),
        h(
          "p",
          { class: "soft" },
          `${why} Whoever runs it makes one with `,
          h("code", {}, "skyloom keys add NAME"),
          ". It stays in this browser.",
        ),
        h("label", { for: "key-field" }, "Key"),
        field,
        h(
          "div",
          { class: "row end" },
          button("Not now", { class: "ghost", onclick: () => dialog.close() }),
          h("button", { class: "primary", type: "submit" }, "Use this key"),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "given" && field.value.trim();
      if (given) localStorage.setItem(PLACE, field.value.trim());
      dialog.remove();
      asking = null;
      done(Boolean(given));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

export const forgetKey = () => localStorage.removeItem(PLACE);
