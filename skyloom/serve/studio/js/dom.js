// Elements from calls, so that no view ever puts text together as HTML: what people type stays text.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Functions among the properties are listeners (`onclick`), `true` sets a bare
 * attribute, `false` and null leave it out; `data` and `style` are maps (style through the CSSOM,
 * which a strict content security policy allows). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) set(element, name, value);
  add(element, children);
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") element.addEventListener(name.slice(2), value);
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "style") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
  else if (name === "value") element.value = value;
  else if (name === "muted") element.muted = value;
  else element.setAttribute(name, value === true ? "" : value);
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Everything in an element anew. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

export const $ = (id) => document.getElementById(id);

let counter = 0;
/** An id that nothing else on the page has, to tie a label to its field. */
export const freshId = (stem) => `${stem}-${++counter}`;

/** An outline icon of 24 units; decoration only, so that its button has to have a name. */
export function icon(name, size = 20) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = {
    viewBox: "0 0 24 24",
    width: size,
    height: size,
    "aria-hidden": "true",
    class: "icon",
  };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon, and words that may be for screen readers alone. */
export function button(label, { symbol, quiet = false, ...properties } = {}) {
  const shown = symbol && quiet ? { "aria-label": label, title: label } : {};
  const look = properties.class ?? (quiet ? "ghost icon-only" : "plain");
  return h(
    "button",
    { type: "button", ...shown, ...properties, class: look },
    symbol && icon(symbol),
    symbol && quiet ? null : h("span", {}, label),
  );
}

const ICONS = {
  library: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  story: "M3 7h7v10H3zM14 7h7v10h-7zM10 12h4",
  queue: "M4 6h16M4 12h16M4 18h10",
  sun:
    "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2M12 20v2M2 12h2M20 12h2" +
    "M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400",
  moon: "M20 14.500A8 8 0 019.500 4 8 8 0 1020 14.500z",
  auto: "M12 3a9 9 0 100 18 9 9 0 000-18zM12 3v18M12 8l6.500-2M12 12h9M12 16l6.500 2",
  key: "M15 4a5 5 0 00-4.700 6.700L4 17v3h3l1-1v-2h2l2.300-2.300A5 5 0 1015 4zM16 8h.01",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  plus: "M12 5v14M5 12h14",
  sliders: "M4 7h10M18 7h2M4 17h2M10 17h10M14 5v4M8 15v4",
  up: "M12 19V5M6 11l6-6 6 6",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l4 4",
  reuse: "M4 12a8 8 0 0113.700-5.700L20 8M20 4v4h-4M20 12a8 8 0 01-13.700 5.700L4 16M4 20v-4h4",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  back: "M15 5l-7 7 7 7",
  remix: "M4 7h4l8 10h4M4 17h4l2-2.500M14 9.500L16 7h4M18 4l3 3-3 3M18 14l3 3-3 3",
  cut: "M6 6v12M18 6v12M6 12h12M3 6h3M3 18h3M18 6h3M18 18h3",
  extend: "M4 6h8v12H4zM15 12h6M18 9l3 3-3 3",
  loop: "M7 8h8a4 4 0 010 8M17 16H9a4 4 0 010-8M10 5L7 8l3 3M14 13l3 3-3 3",
  blend: "M9 6a6 6 0 100 12A6 6 0 009 6zM15 6a6 6 0 100 12 6 6 0 000-12z",
  connect: "M3 8h5v8H3zM16 8h5v8h-5zM8 12h8",
  fill: "M3 7h4v10H3zM17 7h4v10h-4zM10 9v6M12 9v6M14 9v6",
  brush: "M20 4L10 14M10 14c-2-1-5 0-5 3 0 2-1 3-2 3 3 1 8 0 8-3 0-1.500-.300-2.200-1-3z",
  grow: "M4 10V4h6M20 14v6h-6M4 4l7 7M20 20l-7-7",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 10h4M4 14h4M16 10h4M16 14h4",
  text: "M5 7V5h14v2M12 5v14M9 19h6",
  dice: "M5 5h14v14H5zM9 9h.01M15 9h.01M12 12h.01M9 15h.01M15 15h.01",
  left: "M15 6l-6 6 6 6",
  right: "M9 6l6 6-6 6",
  eraser: "M4 15l9-9 6 6-7 7H8zM9 10l6 6M8 19h12",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  person: "M12 4a4 4 0 100 8 4 4 0 000-8zM4 21c1-5 4-7 8-7s7 2 8 7",
  path: "M5 19a2 2 0 100-.01M7 18c8-1 0-10 9-11M19 6a2 2 0 10.01.01",
  warn: "M12 4l9 16H3zM12 10v4M12 17h.01",
};
