// Several stretches of a clip that stay: a strip each, one after the other.

import { button, fill, h } from "./dom.js";
import { trimStrip } from "./trim.js";

export function keepStretches(video, source) {
  const { seconds, fps } = source;
  const strips = [];
  const list = h("div", { class: "stack" });
  const element = h(
    "div",
    { class: "stack" },
    list,
    button("Another stretch", {
      symbol: "plus",
      onclick: () => {
        add([seconds * 0.4, seconds * 0.6]);
        render();
      },
    }),
  );

  const add = (value) =>
    strips.push(trimStrip(video, { seconds, fps, value, label: `stretch ${strips.length + 1}` }));

  function render() {
    fill(
      list,
      strips.map((strip, index) =>
        h(
          "div",
          { class: "row keep" },
          strip.element,
          strips.length > 1 &&
            button(`Take away stretch ${index + 1}`, {
              symbol: "close",
              quiet: true,
              onclick: () => {
                strips.splice(index, 1);
                render();
              },
            }),
        ),
      ),
    );
  }

  // Both ends stay at first: what people ask for most is the middle.
  add([0, seconds / 4]);
  add([(seconds * 3) / 4, seconds]);
  render();
  return { element, value: () => strips.map((strip) => strip.value()).sort((a, b) => a[0] - b[0]) };
}
