// A strip of a clip's frames with two handles: which stretch is meant.

import { fill, h } from "./dom.js";

const FRAMES = 8; // pictures on the strip

/** A range of seconds on a clip.
 * `video` is the player: handles show their frame in it. `onchange([from, to])` is told of both. */
export function trimStrip(
  video,
  { seconds, fps, value = [0, seconds], label = "stretch", onchange = () => {} },
) {
  const range = [...value];
  const frame = 1 / fps;
  const pictures = h("div", { class: "strip-frames", "aria-hidden": "true" });
  const chosen = h("div", { class: "strip-chosen" });
  const place = h("div", { class: "strip-place" });
  const window = h("div", { class: "strip-window" }, pictures, chosen, place);
  const handles = ["Start", "End"].map((name, side) =>
    h("div", {
      class: `handle ${side ? "last" : "first"}`,
      role: "slider",
      tabindex: 0,
      "aria-label": `${name} of the ${label}`,
      "aria-valuemin": 0,
      "aria-valuemax": seconds,
      onkeydown: (event) => key(event, side),
      onpointerdown: (event) => drag(event, side),
    }),
  );
  const words = h("output", { class: "small soft" });
  const track = h("div", { class: "strip-track" }, window, handles);
  const element = h("div", { class: "strip" }, track, words);

  function move(side, to, seek = true) {
    const [low, high] = side ? [range[0] + frame, seconds] : [0, range[1] - frame];
    range[side] = Math.round(Math.min(high, Math.max(low, to)) * 1000) / 1000;
    if (seek && video) {
      video.pause();
      video.currentTime = side ? Math.max(0, range[1] - frame / 2) : range[0];
    }
    render();
    onchange(range);
  }

  function render() {
    const share = (at) => `${(100 * at) / seconds}%`;
    chosen.style.setProperty("left", share(range[0]));
    chosen.style.setProperty("right", share(seconds - range[1]));
    handles.forEach((handle, side) => {
      handle.style.setProperty("left", share(range[side]));
      handle.setAttribute("aria-valuenow", range[side].toFixed(3));
      handle.setAttribute("aria-valuetext", `${range[side].toFixed(2)} seconds`);
    });
    const [from, to, kept, all] = [...range, range[1] - range[0], seconds].map((value) => value.toFixed(2));
    words.textContent = `${from} s to ${to} s: ${kept} of ${all} seconds`;
  }

  function key(event, side) {
    const step = event.shiftKey ? 1 : frame;
    const to = {
      ArrowLeft: range[side] - step,
      ArrowDown: range[side] - step,
      ArrowRight: range[side] + step,
      ArrowUp: range[side] + step,
      Home: 0,
      End: seconds,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(side, to);
  }

  function drag(event, side) {
    const handle = event.currentTarget;
    handle.setPointerCapture(event.pointerId);
    const follow = (moved) => {
      const { left, width } = track.getBoundingClientRect();
      move(side, Math.round(((moved.clientX - left) / width) * seconds * fps) / fps);
    };
    handle.addEventListener("pointermove", follow);
    handle.addEventListener("lostpointercapture", () => handle.removeEventListener("pointermove", follow), {
      once: true,
    });
  }

  const playing = () => place.style.setProperty("left", `${(100 * video.currentTime) / seconds}%`);
  video?.addEventListener("timeupdate", playing);
  render();
  if (video) drawFrames(video, pictures, seconds);
  return { element, value: () => [...range], whole: () => range[0] === 0 && range[1] === seconds };
}

/** Still frames of a clip, side by side, drawn by a second player so that the first is left alone. */
async function drawFrames(video, into, seconds) {
  const source = h("video", { muted: true, preload: "auto", playsinline: true });
  source.src = video.currentSrc || video.src;
  const when = (event) =>
    new Promise((done, lost) => {
      source.addEventListener(event, done, { once: true });
      source.addEventListener("error", lost, { once: true });
    });
  try {
    await when("loadeddata");
    for (let index = 0; index < FRAMES; index += 1) {
      source.currentTime = ((index + 0.5) / FRAMES) * seconds;
      await when("seeked");
      const canvas = h("canvas", { width: 96, height: 64 });
      const scale = Math.max(96 / source.videoWidth, 64 / source.videoHeight);
      const [w, t] = [source.videoWidth * scale, source.videoHeight * scale];
      canvas.getContext("2d").drawImage(source, (96 - w) / 2, (64 - t) / 2, w, t);
      into.append(canvas);
    }
  } catch {
    fill(into); // a strip without pictures works as well
  } finally {
    source.removeAttribute("src");
    source.load();
  }
}
