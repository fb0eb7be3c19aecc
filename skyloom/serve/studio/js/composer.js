// Where words become an order: prompt, an optional picture, settings, draft or full, Make.

import { create } from "./api.js";
import { characterChips } from "./characters.js";
import { put } from "./clips.js";
import { button, fill, h, icon } from "./dom.js";
import { probe } from "./media.js";
import { go } from "./route.js";
import { createSettings, fieldsOf, settingsPanel, summary } from "./settings.js";
import { busy, fail, say } from "./toast.js";

const EXAMPLES = [
  "a red ball rolls across the snow at sunset, the camera orbits left",
  "a small yellow robot walks on the beach at night",
  "a blue car drives right in the desert, as pixel art",
];

/** The composer; one there is. `facts` is what /v1/models says of the model. */
export function createComposer(facts = {}) {
  const settings = createSettings();
  let picture = null; // {file, address, at}
  let open = false;
  const cast = new Set(); // ids of characters

  const prompt = h("textarea", {
    id: "prompt",
    rows: 1,
    "aria-label": "What to show",
    placeholder: `Describe a video: ${EXAMPLES[0]}`,
    oninput: grow,
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        submit();
      }
    },
  });
  const chooser = h("input", {
    type: "file",
    accept: "image/*",
    hidden: true,
    "aria-label": "Picture to start from",
    onchange: () => chooser.files[0] && attach(chooser.files[0]),
  });
  const made = h(
    "button",
    {
      type: "button",
      class: "primary round",
      "aria-label": "Make it",
      title: "Make it (Enter)",
      onclick: submit,
    },
    icon("up"),
  );
  const panel = h("div", { class: "panel", id: "settings-panel", hidden: true });
  const shown = h("button", {
    type: "button",
    class: "chip",
    "aria-controls": "settings-panel",
    "aria-expanded": "false",
    onclick: () => toggle(!open),
  });
  const attached = h("div", { class: "attached" });
  const kinds = h("div", { class: "segments", role: "group", "aria-label": "What to make" });
  const draft = h(
    "button",
    {
      type: "button",
      class: "chip",
      title: "Half the size and half the steps: quick to look at, then made at full size",
      onclick: () => settings.set({ draft: !settings.values.draft }),
    },
    "Draft",
  );

  const element = h(
    "form",
    {
      class: "composer",
      "aria-label": "Make something",
      onsubmit: (event) => {
        event.preventDefault();
        submit();
      },
    },
    panel,
    attached,
    h("div", { class: "ask" }, prompt),
    h(
      "div",
      { class: "row" },
      button("Add a picture", { symbol: "plus", quiet: true, onclick: () => chooser.click() }),
      chooser,
      kinds,
      shown,
      draft,
      h("span", { class: "gap" }),
      made,
    ),
  );

  function toggle(now) {
    open = now;
    if (open) fill(panel, settingsPanel(settings, facts), characterChips(cast));
    panel.hidden = !open;
    shown.setAttribute("aria-expanded", String(open));
  }

  function render() {
    const { values } = settings;
    fill(shown, icon("sliders", 16), h("span", {}, summary(values)));
    draft.setAttribute("aria-pressed", String(values.draft));
    fill(
      kinds,
      ["video", "image"].map((kind) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(values.kind === kind),
            "data-kind": kind,
            "aria-label": kind === "video" ? "Video" : "Picture",
            title: kind === "video" ? "Video" : "Picture",
            onclick: () => {
              settings.set({ kind });
              if (open) toggle(true);
              kinds.querySelector(`[data-kind=${kind}]`).focus();
            },
          },
          icon(kind === "video" ? "film" : "picture", 18),
        ),
      ),
    );
    fill(
      attached,
      picture &&
        h(
          "div",
          { class: "attachment" },
          h("img", { src: picture.address, alt: "The picture it starts from" }),
          h(
            "label",
            {},
            "This picture is its ",
            h(
              "select",
              {
                class: "small",
                onchange: (e) => {
                  picture.at = e.target.value;
                },
              },
              h("option", { value: "start", selected: picture.at === "start" }, "first frame"),
              h("option", { value: "end", selected: picture.at === "end" }, "last frame"),
            ),
          ),
          button("Take the picture away", {
            symbol: "close",
            quiet: true,
            onclick: () => {
              picture = null;
              render();
              prompt.focus();
            },
          }),
        ),
    );
  }

  function grow() {
    prompt.style.setProperty("height", "auto");
    prompt.style.setProperty("height", `${Math.min(prompt.scrollHeight, 180)}px`);
  }

  /** A picture that the clip starts from or ends with. */
  async function attach(file) {
    try {
      picture = { file, at: "start", ...(await probe(file)) };
      chooser.value = "";
      settings.set({ kind: "video" });
      prompt.focus();
    } catch (error) {
      fail(error);
    }
  }

  async function submit() {
    const words = prompt.value.trim();
    if (!words && !picture) {
      prompt.focus();
      fail(new Error(`There is no prompt yet: say what to show, as in "${EXAMPLES[1]}".`));
      return;
    }
    await busy(made, async () => {
      const base = fieldsOf(settings.values);
      for (let variation = 0; variation < settings.values.variations; variation += 1) {
        put(
          await create({
            prompt: words,
            ...base,
            seed: base.seed + variation,
            characters: [...cast].join(),
            ...(picture && { operation: "animate", input_reference: picture.file, at: picture.at }),
          }),
        );
      }
      const many = settings.values.variations;
      say(many > 1 ? `${many} clips are in the queue.` : "It is in the queue.", {
        label: "Look",
        run: () => go("queue"),
      });
      toggle(false);
    });
  }

  settings.onchange(render);
  render();
  return {
    element,
    attach,
    focus: () => prompt.focus(),
    /** Words and settings to start from. */
    reuse(words, changes = {}) {
      prompt.value = words;
      settings.set(changes);
      grow();
      if (open) toggle(true);
      prompt.focus();
    },
  };
}
