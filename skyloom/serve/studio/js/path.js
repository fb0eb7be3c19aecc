// The motion brush: a disc of a picture, and the way that it goes.

import { button, h } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const APART = 0.03; // fractions of the picture between two points that are kept

/** Draw a path over a picture by dragging, or with arrow keys and Space for each point. */
export function pathPainter() {
  let points = []; // [x, y] in fractions
  let radius = 0.15;
  let at = [0.5, 0.5];

  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "polyline");
  const disc = document.createElementNS(SVG, "circle");
  const here = document.createElementNS(SVG, "circle");
  for (const [name, value] of Object.entries({ viewBox: "0 0 100 100", preserveAspectRatio: "none" }))
    svg.setAttribute(name, value);
  svg.append(line, disc, here);
  const status = h("span", { class: "unseen", role: "status" });
  const surface = h(
    "div",
    {
      class: "path-surface",
      tabindex: 0,
      role: "application",
      "aria-label":
        "Path. Drag from what should move to where it goes; or arrow keys, and Space for each point.",
      onpointerdown: begin,
      onkeydown: key,
    },
    svg,
  );
  const size = h("input", {
    type: "range",
    min: 0.03,
    max: 0.5,
    step: 0.01,
    "aria-label": "Size of what moves",
    oninput: () => {
      radius = size.valueAsNumber;
      draw();
    },
  });
  size.value = radius;
  const tools = h(
    "div",
    { class: "row" },
    h("label", { class: "check" }, "Size ", size),
    button("Start over", {
      symbol: "trash",
      onclick: () => {
        points = [];
        draw();
      },
    }),
    status,
  );

  const pointOf = (event) => {
    const box = surface.getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
  };

  function begin(event) {
    event.preventDefault();
    surface.focus({ preventScroll: true });
    surface.setPointerCapture(event.pointerId);
    points = [pointOf(event)];
    draw();
    const follow = (moved) => {
      const point = pointOf(moved);
      if (Math.hypot(point[0] - points.at(-1)[0], point[1] - points.at(-1)[1]) >= APART) points.push(point);
      draw();
    };
    surface.addEventListener("pointermove", follow);
    surface.addEventListener("lostpointercapture", () => surface.removeEventListener("pointermove", follow), {
      once: true,
    });
  }

  function key(event) {
    const moves = { ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, -0.05], ArrowDown: [0, 0.05] };
    if (moves[event.key]) at = at.map((value, axis) => clamp(value + moves[event.key][axis]));
    else if (event.key === " ") points.push([...at]);
    else if (event.key === "Backspace") points.pop();
    else return;
    event.preventDefault();
    status.textContent = `${points.length} points, now at ${Math.round(at[0] * 100)}%, ${Math.round(at[1] * 100)}%`;
    draw(true);
  }

  function draw(keys = false) {
    line.setAttribute("points", points.map(([x, y]) => `${x * 100},${y * 100}`).join(" "));
    const [x, y] = points[0] ?? at;
    for (const [name, value] of Object.entries({
      cx: x * 100,
      cy: y * 100,
      r: radius * 100,
      class: "path-disc",
    }))
      disc.setAttribute(name, value);
    for (const [name, value] of Object.entries({
      cx: at[0] * 100,
      cy: at[1] * 100,
      r: keys ? 1.5 : 0,
      class: "path-here",
    }))
      here.setAttribute(name, value);
  }

  draw();
  return {
    layer: h("div", { class: "mask-layer" }, surface),
    tools,
    /** As the API takes it, spread evenly over so many seconds; null where there is none. */
    value(seconds) {
      if (points.length < 2) return null;
      const last = points.length - 1;
      return {
        points: points.map(([x, y], index) => [round((index / last) * seconds), round(x), round(y)]),
        radius,
      };
    },
  };
}

const clamp = (value) => Math.min(1, Math.max(0, value));
const round = (value) => Math.round(value * 1000) / 1000;
