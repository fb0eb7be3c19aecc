// The shots on a line of time: as wide as they are long, dragged to another place or length.

import { fill, h, icon } from "./dom.js";
import { show } from "./media.js";
import {
  choose,
  chosen,
  indexOf,
  lengthOf,
  moveShot,
  setSeconds,
  removeShot,
  story,
  total,
} from "./story.js";

const SYMBOLS = { picture: "picture", clip: "film" };
const STEP = 0.5; // seconds that a key adds or takes

export function timeline() {
  const line = h("ol", { class: "timeline", "aria-label": "Time line" });
  const status = h("p", { class: "unseen", role: "status" });
  let focusAfter = false;
  let shown = null; // the shot that was last brought into view

  function render() {
    let start = 0;
    fill(
      line,
      story.shots.map((shot, index) => {
        const item = block(shot, index, start);
        start += lengthOf(shot);
        return item;
      }),
    );
    const item = line.children[indexOf(chosen().key)];
    const scroller = line.parentElement;
    if (item && shown !== chosen().key)
      scroller.scrollLeft = item.offsetLeft - (scroller.clientWidth - item.offsetWidth) / 2;
    shown = chosen().key;
    if (focusAfter) line.querySelector("[aria-pressed=true]")?.focus({ preventScroll: true });
    focusAfter = false;
  }

  function block(shot, index, start) {
    const { source } = shot;
    const length = lengthOf(shot);
    const what = source ? source.kind : "text";
    const said = shot.prompt || source?.name || "Empty: say what it shows";
    const card = h(
      "button",
      {
        type: "button",
        class: "shot",
        "aria-pressed": String(shot === chosen()),
        "aria-label": `Shot ${index + 1} of ${story.shots.length}, ${what}, ${length} seconds: ${said}`,
        onclick: () => choose(shot.key),
        onkeydown: (event) => key(event, shot),
        onpointerdown: (event) => drag(event, shot),
      },
      source && thumb(source),
      h(
        "span",
        { class: "shot-head" },
        icon(SYMBOLS[source?.kind] ?? "text", 16),
        h("span", {}, `${index + 1}`),
        h("span", { class: "shot-length" }, seconds(length)),
      ),
      h("span", { class: shot.prompt ? "shot-words" : "shot-words soft" }, said),
    );
    const edge = h("span", {
      class: "edge",
      "aria-hidden": "true",
      title: "Drag for its length",
      onpointerdown: (event) => stretch(event, shot),
    });
    return h(
      "li",
      { class: shot.cut ? "" : "goes-on", data: { key: shot.key }, style: { "flex-grow": length } },
      card,
      edge,
      // Each says when it begins: a short one is drawn wider than its time, and a common ruler would lie.
      h("span", { class: "at soft", "aria-hidden": "true" }, seconds(start)),
      index === story.shots.length - 1 &&
        h("span", { class: "at stop soft", "aria-hidden": "true" }, seconds(start + length)),
    );
  }

  function key(event, shot) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const index = indexOf(shot.key);
    if (by && event.altKey) moved(shot, index + by);
    else if (by && event.shiftKey) longer(shot, by * STEP);
    else if (by) {
      focusAfter = true;
      choose(story.shots[Math.min(story.shots.length - 1, Math.max(0, index + by))].key);
    } else if (event.key === "+" || event.key === "=") longer(shot, STEP);
    else if (event.key === "-") longer(shot, -STEP);
    else if (event.key === "Delete" || event.key === "Backspace") {
      focusAfter = true;
      removeShot(shot.key);
    } else return;
    event.preventDefault();
  }

  function moved(shot, to) {
    focusAfter = true;
    moveShot(shot.key, to);
    line.querySelector("[aria-pressed=true]")?.focus();
    focusAfter = false;
    status.textContent = `Now shot ${indexOf(shot.key) + 1} of ${story.shots.length}`;
  }

  function longer(shot, by) {
    focusAfter = true;
    setSeconds(shot.key, shot.seconds + by);
    status.textContent = `${shot.seconds} seconds`;
  }

  /** Drag a shot to another place: it changes places with a neighbour as soon as it is over it. */
  function drag(event, shot) {
    if (event.button !== 0 || event.pointerType === "touch") return; // a finger scrolls; buttons move
    const start = event.clientX;
    let dragging = false;
    const follow = (pointer) => {
      if (!dragging && Math.abs(pointer.clientX - start) < 8) return;
      dragging = true;
      line.classList.add("dragging");
      const over = [...line.children].findIndex((item) => {
        const box = item.getBoundingClientRect();
        const inner = Math.min(box.width / 2, 24); // far enough in that it does not jump back at once
        return pointer.clientX > box.left + inner && pointer.clientX < box.right - inner;
      });
      if (over >= 0 && over !== indexOf(shot.key)) moveShot(shot.key, over);
    };
    untilUp(follow, () => {
      line.classList.remove("dragging");
      choose(shot.key);
    });
  }

  /** Drag the right edge of a shot. */
  function stretch(event, shot) {
    event.preventDefault();
    event.stopPropagation();
    const start = event.clientX;
    const before = shot.seconds;
    const scale = total() / line.scrollWidth; // as it is at first: the line's own scale changes meanwhile
    untilUp(
      (pointer) => setSeconds(shot.key, before + (pointer.clientX - start) * scale),
      () => choose(shot.key),
    );
  }

  return { element: h("div", { class: "timeline-scroll" }, line, status), render };
}

const seconds = (value) => `${Math.round(value * 100) / 100} s`;

function thumb(source) {
  const image = h("img", { alt: "", class: "shot-thumb", draggable: "false" });
  if (source.clip) return show(image, source.clip.id, "thumbnail");
  if (source.kind === "picture") image.src = source.address;
  else
    return h("video", {
      class: "shot-thumb",
      muted: true,
      preload: "metadata",
      src: source.address,
      "aria-hidden": "true",
      tabindex: -1,
    });
  return image;
}

/** Follow the pointer wherever it goes until it is let go: what it began on may be drawn anew. */
function untilUp(follow, end) {
  const stop = () => {
    removeEventListener("pointermove", follow);
    removeEventListener("pointerup", stop);
    removeEventListener("pointercancel", stop);
    end();
  };
  addEventListener("pointermove", follow);
  addEventListener("pointerup", stop);
  addEventListener("pointercancel", stop);
}
