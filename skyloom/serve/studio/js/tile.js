// One clip in a grid: it plays while it is seen, says what it is, and how far it has come.

import { content } from "./api.js";
import * as clips from "./clips.js";
import { button, fill, h, icon } from "./dom.js";
import { explain } from "./help.js";
import { show } from "./media.js";
import { go } from "./route.js";
import { calm } from "./theme.js";
import { busy, say } from "./toast.js";

export const VERBS = {
  generate: "Video",
  image: "Picture",
  animate: "Animated",
  extend: "Extended",
  loop: "Loop",
  connect: "Connected",
  blend: "Blend",
  fill: "Filled",
  restyle: "Restyled",
  storyboard: "Storyboard",
};

/** What a clip is, in a word. */
export function kindOf(clip) {
  return clip.remixed_from_video_id ? "Remix" : (VERBS[clip.skyloom?.operation ?? "generate"] ?? "Video");
}

/** What it is called: its prompt, or that it had none. */
export const titleOf = (clip) => clip.prompt?.trim() || `${kindOf(clip)} without words`;

export const aspectOf = (clip) =>
  /^\d+x\d+$/.test(clip.size ?? "") ? clip.size.replace("x", " / ") : "1 / 1";

// Only what is on the screen is fetched and plays: a hundred decoders at once would stop a phone.
const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && !target.hasAttribute("src")) show(target, target.dataset.clip, "video");
      target.autoplay = isIntersecting && !calm(); // its bytes may come later than it is seen
      if (target.autoplay) target.play().catch(() => {});
      else target.pause();
    }
  },
  { threshold: 0.25 },
);

/** The moving picture of a finished clip. */
export function loopingPreview(clip) {
  if (clips.isPicture(clip)) return show(h("img", { alt: "", loading: "lazy" }), clip.id, "video");
  const video = h("video", {
    muted: true,
    loop: true,
    playsinline: true,
    preload: "metadata",
    tabindex: -1,
    "aria-hidden": "true",
    data: { clip: clip.id },
  });
  show(video, clip.id, "thumbnail", "poster");
  seen.observe(video);
  return video;
}

/** A tile of the library. `reuse(clip)` is told when its prompt is wanted. */
export function tile(clip, reuse) {
  const face = h("div", { class: "face" });
  const link = h("a", {
    class: "cover",
    href: `#/clip/${clip.id}`,
    "aria-label": `${titleOf(clip)}. ${kindOf(clip)}, ${stateOf(clip)}`,
  });
  const element = h(
    "article",
    { class: "tile", data: { id: clip.id, status: clip.status } },
    h("div", { class: "picture" }, face, link),
    h(
      "div",
      { class: "about" },
      h("p", { class: "words" }, titleOf(clip)),
      h(
        "p",
        { class: "soft small" },
        [kindOf(clip), clip.size?.replace("x", " × "), lengthOf(clip)].filter(Boolean).join(" · "),
      ),
      clip.status === "failed" ? failure(clip) : null,
    ),
    h(
      "div",
      { class: "tile-actions" },
      button("Use this prompt", { symbol: "reuse", quiet: true, onclick: () => reuse(clip) }),
      button("Delete", {
        symbol: "trash",
        quiet: true,
        onclick: (event) => discard(clip, event.currentTarget),
      }),
    ),
  );
  if (clips.isReady(clip)) {
    fill(face, loopingPreview(clip));
    // Who asked for less motion still gets it by pointing at a clip or stepping onto it.
    for (const [event, act] of [
      ["pointerenter", "play"],
      ["focusin", "play"],
      ["pointerleave", "pause"],
      ["focusout", "pause"],
    ]) {
      element.addEventListener(
        event,
        () =>
          calm() &&
          face
            .querySelector("video")
            ?.[act]()
            ?.catch?.(() => {}),
      );
    }
  } else if (clip.status === "failed") fill(face, h("div", { class: "broken" }, icon("warn", 28)));
  else fill(face, working(clip));
  return element;
}

/** The estimate so far and how far it is; `moved` updates it in place. */
export function working(clip) {
  const image = h("img", { alt: "", class: "estimate", hidden: true });
  const bar = h("progress", {
    max: 100,
    value: clip.progress ?? 0,
    "aria-label": `Progress of: ${titleOf(clip)}`,
  });
  const words = h("span", { class: "small" });
  const element = h(
    "div",
    { class: "working", data: { working: clip.id } },
    image,
    h("div", { class: "working-foot" }, words, bar),
  );
  element.update = (now) => {
    bar.value = now.progress ?? 0;
    words.textContent = stateOf(now);
    if (!now.preview || now.preview === element.shown) return;
    element.shown = now.preview;
    preview(now).then(
      (address) => {
        image.src = address;
        image.hidden = false;
      },
      () => {},
    );
  };
  element.update(clip);
  return element;
}

async function preview(clip) {
  const blob = await content(clip.id, "preview"); // always anew: the picture behind the address changes
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
}

/** Let every working tile under an element follow the news; returns how to stop. */
export function followProgress(root) {
  const hear = ({ detail: clip }) =>
    root.querySelector(`[data-working="${CSS.escape(clip.id)}"]`)?.update(clip);
  clips.news.addEventListener("moved", hear);
  return () => clips.news.removeEventListener("moved", hear);
}

export function stateOf(clip) {
  if (clip.status === "queued")
    return clip.skyloom?.ahead ? `${clip.skyloom.ahead} before it` : "waits for its turn";
  if (clip.status === "in_progress") return `${clip.progress ?? 0}% done`;
  return clip.status === "failed" ? "failed" : "finished";
}

export function lengthOf(clip) {
  if (clips.isPicture(clip)) return null;
  const seconds = Number(clip.skyloom?.delivered?.seconds ?? clip.seconds);
  return seconds ? `${Math.round(seconds * 100) / 100} s` : null;
}

export function failure(clip) {
  const { what, help } = explain(clip.error);
  return h("p", { class: "failure" }, what, help && h("span", { class: "soft" }, ` ${help}`));
}

/** Delete a clip, or stop one that is being made. */
export function discard(clip, control) {
  return busy(control, async () => {
    await clips.remove(clip.id);
    say(clips.isActive(clip) ? "Stopped." : "Deleted.");
    if (location.hash.includes(clip.id)) go("");
  });
}
