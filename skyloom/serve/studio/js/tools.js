// Each way to edit, in the order in which they are offered.

import { animate, fullSize, remix, restyle } from "./tools_look.js";
import { blend, connect, extend, fillGaps, loop, recut } from "./tools_time.js";

/** `on` is what a tool is for; `own` ones are for clips that the server knows. */
export const TOOLS = [
  {
    name: "remix",
    label: "Remix",
    symbol: "remix",
    about: "The same clip told in other words.",
    on: ["clip"],
    own: true,
    build: remix,
  },
  {
    name: "recut",
    label: "Re-cut",
    symbol: "cut",
    about: "Keep the best stretch, and go on from it.",
    on: ["clip"],
    build: recut,
  },
  {
    name: "extend",
    label: "Extend",
    symbol: "extend",
    about: "More, at either end. Given frames stay as they are.",
    on: ["clip"],
    build: extend,
  },
  {
    name: "loop",
    label: "Loop",
    symbol: "loop",
    about: "A way back to its start, so that it plays for ever.",
    on: ["clip"],
    build: loop,
  },
  {
    name: "blend",
    label: "Blend",
    symbol: "blend",
    about: "One scene becomes another, over the length of the shorter.",
    on: ["clip"],
    build: blend,
  },
  {
    name: "connect",
    label: "Connect",
    symbol: "connect",
    about: "What happens between this clip and the next.",
    on: ["clip"],
    build: connect,
  },
  {
    name: "fill",
    label: "Fill",
    symbol: "fill",
    about: "Frames to keep, and new ones between them.",
    on: ["clip"],
    build: fillGaps,
  },
  {
    name: "restyle",
    label: "Restyle",
    symbol: "brush",
    about: "Another look, everywhere or where you paint.",
    on: ["clip", "picture"],
    build: restyle,
  },
  {
    name: "full",
    label: "Full size",
    symbol: "grow",
    about: "A draft again, larger and finer.",
    on: ["clip", "picture"],
    build: fullSize,
  },
  {
    name: "animate",
    label: "Animate",
    symbol: "film",
    about: "The picture comes to life.",
    on: ["picture"],
    build: animate,
  },
];
