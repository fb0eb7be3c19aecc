// The storyboard: a film in shots of text, pictures and clips, ordered on a line of time.

import { create } from "./api.js";
import { characterChips } from "./characters.js";
import * as clips from "./clips.js";
import { button, fill, h, icon } from "./dom.js";
import { choice, labelled, number, words } from "./fields.js";
import { pick, sourceOfFile } from "./picker.js";
import { go } from "./route.js";
import { CAMERA } from "./settings.js";
import * as story from "./story.js";
import { timeline } from "./timeline.js";
import { busy, fail, say } from "./toast.js";

const cast = new Set(); // ids of characters that appear in the film

/** A file that was dropped: a card of its own. */
export const addToStory = (file) => sourceOfFile(file).then(story.addSource, fail);

export function storyboard(root) {
  const { story: told } = story;
  const line = timeline();
  const editor = h("section", { class: "shot-editor", "aria-label": "The chosen shot" });
  const length = h("p", { class: "soft", role: "status" });
  const make = h("button", { type: "button", class: "primary", onclick: submit }, "Make the film");

  fill(
    root,
    h(
      "div",
      { class: "page story" },
      h("div", { class: "page-head" }, h("h1", {}, "Storyboard"), length),
      line.element,
      h(
        "div",
        { class: "row" },
        button("Text", {
          symbol: "text",
          onclick: () => {
            story.addShot();
            editor.querySelector("textarea").focus();
          },
        }),
        button("Picture", { symbol: "picture", onclick: () => media("picture") }),
        button("Clip", { symbol: "film", onclick: () => media("clip") }),
        h("span", { class: "gap" }),
        button("Empty the board", { class: "link", onclick: clearWithUndo }),
      ),
      h("div", { class: "story-columns" }, editor, whole()),
      h(
        "datalist",
        { id: "story-moves" },
        CAMERA.map((move) => h("option", { value: move })),
      ),
    ),
  );

  function whole() {
    const set =
      (name, read = (event) => event.target.value) =>
      (event) => {
        told[name] = read(event);
        story.changed();
      };
    const subjects = words(told.subjects, "a red ball and a large blue cube");
    subjects.addEventListener("input", set("subjects"));
    const style = h("input", {
      type: "text",
      value: told.style,
      placeholder: "as a charcoal drawing",
      oninput: set("style"),
    });
    const size = h(
      "select",
      { onchange: set("size") },
      [...new Set([told.size, "128x128", "160x96", "96x160", "256x256", "320x192"])].map((one) =>
        h("option", { value: one, selected: one === told.size }, one.replace("x", " × ")),
      ),
    );
    const count = ({ target }) => (target.value === "" ? "" : target.valueAsNumber);
    const seed = number(told.seed, { min: 0, step: 1, onchange: set("seed", count) });
    const steps = number(told.steps, {
      min: 1,
      max: 200,
      step: 1,
      required: false,
      placeholder: "auto",
      onchange: set("steps", count),
    });
    return h(
      "section",
      { class: "shot-editor", "aria-label": "The whole film" },
      h("h2", {}, "The whole film"),
      labelled("Subjects", subjects, "said with every shot, so that they stay the same"),
      labelled("Style", style),
      h(
        "div",
        { class: "settings three" },
        labelled("Size", size),
        labelled("Seed", seed),
        labelled("Steps", steps),
      ),
      characterChips(cast),
      h("div", { class: "row end" }, make),
    );
  }

  let edited = null; // typing changes the story and must not draw the field anew that is typed in
  function render() {
    line.render();
    const seconds = story.total();
    const count = told.shots.length;
    length.textContent = `${count} ${count === 1 ? "shot" : "shots"}, ${Math.round(seconds * 100) / 100} seconds`;
    const shot = story.chosen();
    const index = story.indexOf(shot.key);
    const state = `${shot.key} ${index} ${told.shots.length} ${shot.cut} ${shot.source?.name}`;
    if (edited !== state) fill(editor, shotForm(shot, index));
    else editor.querySelector("[data-seconds]").value = shot.seconds;
    edited = state;
  }

  function shotForm(shot, index) {
    const prompt = words(
      shot.prompt,
      index ? "what happens next" : "the ball rolls to the right in the snow by day",
    );
    prompt.addEventListener("input", () => {
      shot.prompt = prompt.value;
      story.changed();
    });
    const seconds = number(shot.seconds, {
      min: story.SHORTEST,
      max: story.LONGEST,
      step: 0.25,
      "data-seconds": true,
      onchange: () => seconds.checkValidity() && story.setSeconds(shot.key, seconds.valueAsNumber),
    });
    const camera = h("input", {
      type: "text",
      value: shot.camera,
      list: "story-moves",
      placeholder: "as you like",
      oninput: () => {
        shot.camera = camera.value;
        story.changed();
      },
    });
    const begins =
      index > 0 && !shot.source
        ? choice(
            "It begins",
            [
              ["cut", "with a cut"],
              ["on", "where the last one ends"],
            ],
            shot.cut ? "cut" : "on",
            (now) => {
              shot.cut = now === "cut";
              edited = null;
              story.changed();
            },
          ).element
        : null;
    return [
      h(
        "div",
        { class: "row" },
        h("h2", {}, `Shot ${index + 1}`),
        h("span", { class: "gap" }),
        button("Earlier", {
          symbol: "left",
          quiet: true,
          disabled: index === 0,
          onclick: () => story.moveShot(shot.key, index - 1),
        }),
        button("Later", {
          symbol: "right",
          quiet: true,
          disabled: index === told.shots.length - 1,
          onclick: () => story.moveShot(shot.key, index + 1),
        }),
        button("Take this shot away", {
          symbol: "trash",
          quiet: true,
          onclick: () => story.removeShot(shot.key),
        }),
      ),
      shot.source &&
        h(
          "div",
          { class: "row given" },
          icon(shot.source.kind === "clip" ? "film" : "picture"),
          h("span", { class: "words" }, shot.source.name),
          h(
            "span",
            { class: "soft small" },
            shot.source.kind === "clip" ? "is shown whole; the shot goes on from it" : "is the first frame",
          ),
          button("Take it away", {
            symbol: "close",
            quiet: true,
            onclick: () => {
              shot.source = null;
              story.changed();
            },
          }),
        ),
      labelled("What it shows", prompt),
      h(
        "div",
        { class: "settings" },
        labelled(shot.source?.kind === "clip" ? "Seconds after the clip" : "Seconds", seconds),
        labelled("Camera", camera),
      ),
      begins,
    ];
  }

  async function media(kind) {
    const source = await pick({
      title: kind === "clip" ? "A clip for the story" : "A picture for the story",
      accept: kind === "clip" ? "video/*" : "image/*",
      kinds: [kind],
    });
    if (source) story.addSource(source);
  }

  function clearWithUndo() {
    const before = { subjects: told.subjects, style: told.style, shots: told.shots };
    story.clear();
    storyboardAgain();
    say("The board is empty.", {
      label: "Undo",
      run: () => {
        Object.assign(told, before);
        story.choose(before.shots[0].key);
        storyboardAgain();
      },
    });
  }
  const storyboardAgain = () => location.hash.startsWith("#/story") && dispatchEvent(new Event("hashchange"));

  function submit() {
    return busy(make, async () => {
      const { told: film, files } = story.toOrder();
      const made = await create({
        operation: "storyboard",
        storyboard: film,
        size: told.size,
        seed: told.seed,
        steps: told.steps,
        characters: [...cast].join(),
        ...files,
      });
      clips.put(made);
      say("The film is in the queue.", { label: "Look", run: () => go("clip", made.id) });
    });
  }

  told.addEventListener("change", render);
  render();
  return () => told.removeEventListener("change", render);
}
