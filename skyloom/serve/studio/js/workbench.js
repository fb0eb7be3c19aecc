// One clip on the bench: looked at, understood, and edited in every way there is.

import { create, remix } from "./api.js";
import { keepAsCharacter } from "./characters.js";
import * as clips from "./clips.js";
import { button, fill, h, icon } from "./dom.js";
import { finer } from "./fields.js";
import { addressOf, save, show } from "./media.js";
import { sourceOfClip, sourceOfFile } from "./picker.js";
import { go } from "./route.js";
import { calm } from "./theme.js";
import { settingsOf } from "./settings.js";
import { aspectOf, discard, failure, followProgress, kindOf, lengthOf, titleOf, working } from "./tile.js";
import { busy, fail, say } from "./toast.js";
import { TOOLS } from "./tools.js";

let opened = null; // a file from outside; it is sent only when something is made of it

/** Put a file of this computer on the bench. */
export async function openFile(file) {
  try {
    opened = await sourceOfFile(file);
    const address = `#/file/${opened.kind === "clip" ? "restyle" : "animate"}`;
    if (location.hash === address) dispatchEvent(new Event("hashchange"));
    else location.hash = address;
  } catch (error) {
    fail(error);
  }
}

export function workbench(root, parts, { composer }) {
  if (parts[0] === "file") {
    if (!opened) go("");
    else bench(root, opened, parts[1], composer);
    return undefined;
  }
  const id = parts[1];
  let gone = false;
  let state = "";
  const stopProgress = followProgress(root);
  const render = () => {
    const clip = clips.get(id);
    if (gone || !clip || clip.status === state) return;
    state = clip.status;
    bench(root, sourceOfClip(clip), parts[2], composer);
  };
  fill(root, h("p", { class: "empty soft" }, "Loading"));
  clips.find(id).then(render, (error) => {
    fill(
      root,
      h(
        "div",
        { class: "empty" },
        icon("warn", 40),
        h("h1", {}, "This clip is not here"),
        h("p", {}, "It may have been deleted or have expired."),
        h("a", { href: "#/" }, "To the library"),
      ),
    );
    if (error.status !== 404) fail(error);
  });
  clips.news.addEventListener("change", render);
  return () => {
    gone = true;
    clips.news.removeEventListener("change", render);
    stopProgress();
  };
}

function bench(root, source, toolName, composer) {
  const { clip } = source;
  const ready = !clip || clips.isReady(clip);
  const stage = h("div", { class: "overlay" });
  const below = h("div", { class: "below" });
  const face = h("div", {
    class: "stage",
    style: {
      "aspect-ratio": clip ? aspectOf(clip) : source.size.join(" / "),
      "--ratio": source.size[0] / source.size[1],
    },
  });
  const side = h("div", { class: "bench-side" });
  fill(
    root,
    h(
      "div",
      { class: "page bench" },
      h(
        "div",
        { class: "bench-main" },
        h("a", { class: "back", href: "#/" }, icon("back"), h("span", {}, "Library")),
        face,
        below,
        clip ? aboutClip(clip, composer) : aboutFile(source),
      ),
      side,
    ),
  );

  if (!ready) {
    fill(face, clip.status === "failed" ? h("div", { class: "broken" }, icon("warn", 40)) : working(clip));
    fill(
      side,
      clip.status === "failed"
        ? [h("h2", {}, "It failed"), failure(clip)]
        : [h("h2", {}, "Being made"), h("p", { class: "soft" }, "It can be edited as soon as it is done.")],
    );
    return;
  }
  if (source.kind === "picture") {
    const image = h("img", { alt: titleOf(clip ?? { prompt: source.name }) });
    if (clip) show(image, clip.id, "video");
    else image.src = source.address;
    fill(face, image, stage);
    tools(side, source, toolName, { stage, below, video: null });
    return;
  }
  const video = h("video", {
    controls: true,
    loop: true,
    muted: true,
    playsinline: true,
    autoplay: !calm(),
    "aria-label": clip ? titleOf(clip) : source.name,
  });
  fill(face, video, stage);
  // The tools draw frames and seek: they begin when the browser knows where the clip comes from.
  (clip ? addressOf(clip.id) : Promise.resolve(source.address)).then((address) => {
    video.src = address;
    tools(side, source, toolName, { stage, below, video });
  }, fail);
}

/** The tools that fit, and the form of the one that is open. */
function tools(side, source, name, place) {
  const fitting = TOOLS.filter((tool) => tool.on.includes(source.kind) && (!tool.own || source.clip));
  const base = source.clip ? `#/clip/${source.clip.id}` : "#/file";
  const open = fitting.find((tool) => tool.name === name);
  const links = h(
    "nav",
    { class: "tools", "aria-label": "Edit" },
    fitting.map((tool) =>
      h(
        "a",
        { href: `${base}/${tool.name}`, "aria-current": tool === open ? "true" : null },
        icon(tool.symbol),
        h("span", {}, tool.label),
      ),
    ),
  );
  fill(
    side,
    h("h2", { class: "unseen" }, "Edit"),
    links,
    open ? form(open, source, place) : h("p", { class: "soft hint" }, "Choose what to do with it."),
  );
  // On a narrow screen the tools lie in a row that scrolls: show the open one.
  const current = links.querySelector("[aria-current]");
  if (current) links.scrollLeft = current.offsetLeft - 40;
}

function form(tool, source, place) {
  const { body, order } = tool.build({ source, ...place });
  const more = tool.name === "remix" ? null : finer(source);
  const make = h("button", { type: "submit", class: "primary" }, tool.label);
  return h(
    "form",
    {
      class: "tool-form",
      onsubmit: (event) => {
        event.preventDefault();
        submit();
      },
    },
    h("p", { class: "soft" }, tool.about),
    body,
    more?.element,
    h("div", { class: "row end" }, make),
  );

  function submit() {
    return busy(make, async () => {
      const fields = await order();
      const made = fields.remix
        ? await remix(source.clip.id, fields.remix)
        : await create({ ...more.fields(), ...fields });
      clips.put(made);
      say(`${kindOf(made)}: it is in the queue.`, { label: "Look", run: () => go("clip", made.id) });
    });
  }
}

function aboutClip(clip, composer) {
  const made = clip.skyloom ?? {};
  const facts = [
    ["Kind", kindOf(clip)],
    ["Size", clip.size?.replace("x", " × ")],
    ["Length", lengthOf(clip)],
    ["Seed", made.seed],
    ["Steps", made.steps],
    ["Guidance", made.guidance_scale],
    ["Camera", made.camera],
    ["Not this", made.negative_prompt],
    ["Strength", made.operation === "restyle" ? made.strength : null],
    ["Model", clip.model],
    [
      "Made",
      new Date(clip.created_at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }),
    ],
  ];
  const notes = [...(made.notes ?? []), ...(made.delivered?.notes ?? [])];
  const suffix = clips.isPicture(clip) ? "png" : "mp4";
  return h(
    "section",
    { class: "about-clip", "aria-label": "About it" },
    h("h1", { class: "prompt" }, titleOf(clip)),
    h(
      "div",
      { class: "row" },
      button("Use this prompt", {
        symbol: "reuse",
        onclick: () => {
          go("");
          setTimeout(() => composer.reuse(clip.prompt ?? "", settingsOf(clip)));
        },
      }),
      clips.isReady(clip) &&
        button("Save", {
          symbol: "download",
          onclick: (event) => busy(event.currentTarget, () => save(clip.id, `${clip.id}.${suffix}`)),
        }),
      clips.isReady(clip) &&
        button("Keep as character", { symbol: "person", onclick: () => keepAsCharacter(clip) }),
      clip.remixed_from_video_id &&
        h(
          "a",
          { class: "button plain", href: `#/clip/${clip.remixed_from_video_id}` },
          icon("remix"),
          h("span", {}, "What it was made from"),
        ),
      button(clips.isActive(clip) ? "Stop" : "Delete", {
        symbol: "trash",
        onclick: (event) => discard(clip, event.currentTarget),
      }),
    ),
    h(
      "dl",
      { class: "facts" },
      facts
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))),
    ),
    notes.length > 0 &&
      h(
        "ul",
        { class: "notes soft small" },
        [...new Set(notes)].map((note) => h("li", {}, note)),
      ),
  );
}

function aboutFile({ name, size, seconds }) {
  const what = `${size.join(" × ")}${seconds ? `, ${seconds.toFixed(2)} s` : ""}`;
  return h(
    "section",
    { class: "about-clip" },
    h("h1", { class: "prompt" }, name),
    h("p", { class: "soft" }, `${what}. It stays on this computer until something is made of it.`),
  );
}
