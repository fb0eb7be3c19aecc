// Painting where a clip is to change: white is changed, the rest stays.

import { button, h } from "./dom.js";

/** A canvas over a picture of `size` [width, height]. Works with mouse, finger, pen and keys. */
export function maskPainter(size) {
  const [width, height] = size;
  const shorter = Math.min(width, height);
  let brush = Math.max(2, Math.round(shorter / 8));
  let erasing = false;
  let at = [width / 2, height / 2];
  const undone = []; // pictures before each stroke

  const canvas = h("canvas", {
    class: "mask",
    width,
    height,
    tabindex: 0,
    role: "application",
    "aria-label": "Mask. Arrow keys move the brush, Space paints, E erases, [ and ] change the brush.",
    onpointerdown: begin,
    onkeydown: key,
    onpointermove: aim,
    onpointerleave: () => cursor.setAttribute("hidden", ""),
    onfocus: draw,
    onblur: () => cursor.setAttribute("hidden", ""),
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const cursor = h("div", { class: "mask-cursor", hidden: true });
  const status = h("span", { class: "unseen", role: "status" });
  const radius = h("input", {
    type: "range",
    min: 1,
    max: Math.round(shorter / 2),
    value: brush,
    "aria-label": "Brush size",
    oninput: () => {
      brush = Number(radius.value);
      draw();
    },
  });
  const rub = button("Erase", {
    symbol: "eraser",
    "aria-pressed": "false",
    onclick: () => setErasing(!erasing),
  });
  const tools = h(
    "div",
    { class: "row" },
    h("label", { class: "check" }, "Brush ", radius),
    rub,
    button("Undo", { symbol: "reuse", onclick: undo }),
    button("Clear", {
      symbol: "trash",
      onclick: () => {
        remember();
        context.clearRect(0, 0, width, height);
      },
    }),
    status,
  );

  function setErasing(now) {
    erasing = now;
    rub.setAttribute("aria-pressed", String(now));
  }

  function remember() {
    undone.push(context.getImageData(0, 0, width, height));
    if (undone.length > 30) undone.shift();
  }

  function undo() {
    if (undone.length) context.putImageData(undone.pop(), 0, 0);
  }

  function dab([x0, y0], [x1, y1]) {
    context.globalCompositeOperation = erasing ? "destination-out" : "source-over";
    context.strokeStyle = "#fff";
    context.lineWidth = brush * 2;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1 + 0.01, y1);
    context.stroke();
  }

  const pointOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * width,
      ((event.clientY - box.top) / box.height) * height,
    ];
  };

  function aim(event) {
    at = pointOf(event);
    draw();
  }

  function begin(event) {
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    remember();
    let last = pointOf(event);
    dab(last, last);
    const follow = (moved) => {
      dab(last, pointOf(moved));
      last = pointOf(moved);
    };
    canvas.addEventListener("pointermove", follow);
    canvas.addEventListener("lostpointercapture", () => canvas.removeEventListener("pointermove", follow), {
      once: true,
    });
  }

  function key(event) {
    const step = event.shiftKey ? brush : Math.max(1, Math.round(brush / 2));
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) {
      at = [
        Math.min(width, Math.max(0, at[0] + moves[event.key][0])),
        Math.min(height, Math.max(0, at[1] + moves[event.key][1])),
      ];
      const [across, down] = [at[0] / width, at[1] / height].map((share) => Math.round(100 * share));
      status.textContent = `Brush at ${across}% across, ${down}% down`;
    } else if (event.key === " ") {
      remember();
      dab(at, at);
    } else if (event.key === "[" || event.key === "]") {
      radius.value = brush = Math.min(shorter / 2, Math.max(1, brush + (event.key === "]" ? 2 : -2)));
    } else if (event.key.toLowerCase() === "e") setErasing(!erasing);
    else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) undo();
    else return;
    event.preventDefault();
    draw();
  }

  function draw() {
    cursor.removeAttribute("hidden");
    const share = {
      left: at[0] / width,
      top: at[1] / height,
      width: (2 * brush) / width,
      height: (2 * brush) / height,
    };
    for (const [name, part] of Object.entries(share)) cursor.style.setProperty(name, `${100 * part}%`);
  }

  const isEmpty = () =>
    !context.getImageData(0, 0, width, height).data.some((value, index) => index % 4 === 3 && value > 127);

  return {
    layer: h("div", { class: "mask-layer" }, canvas, cursor),
    tools,
    isEmpty,
    /** The mask as a PNG, white on black; null where nothing is painted. */
    async file() {
      if (isEmpty()) return null;
      const flat = h("canvas", { width, height });
      const paper = flat.getContext("2d");
      paper.fillStyle = "#000";
      paper.fillRect(0, 0, width, height);
      paper.drawImage(canvas, 0, 0);
      const blob = await new Promise((done) => flat.toBlob(done, "image/png"));
      return new File([blob], "mask.png", { type: "image/png" });
    },
  };
}
