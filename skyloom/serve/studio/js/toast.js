// Short messages at the edge, read out by screen readers; failures stay until they are closed.

import { $, button, h } from "./dom.js";
import { explain } from "./help.js";
import { askForKey } from "./keyring.js";

const SHOWN = 5000; // milliseconds

/** Say something that went well; `action` is an optional {label, run}. */
export function say(text, action) {
  const toast = show(text, "", "info", action);
  setTimeout(() => toast.remove(), SHOWN);
}

/** Say what failed and what would help. A missing key is asked for instead. */
export function fail(error) {
  if (error?.status === 401) return askForKey(error.message).then((given) => given && location.reload());
  console.debug(error);
  const { what, help } = explain(error);
  return show(what, help, "error");
}

/** Failures of a view that was left are of no use on the next. */
export const clearFailures = () =>
  document.querySelectorAll(".toast.error").forEach((toast) => toast.remove());

function show(text, help, kind, action) {
  const region = $("toasts");
  for (const toast of region.children) if (toast.dataset.text === text) toast.remove(); // once is enough
  const toast = h(
    "div",
    { class: `toast ${kind}`, data: { text }, role: kind === "error" ? "alert" : "status" },
    h("p", {}, text, help && h("span", { class: "soft" }, ` ${help}`)),
    action &&
      button(action.label, {
        class: "link",
        onclick: () => {
          toast.remove();
          action.run();
        },
      }),
    button("Close", { symbol: "close", quiet: true, onclick: () => toast.remove() }),
  );
  region.append(toast);
  if (region.matches(":popover-open")) region.hidePopover();
  region.showPopover(); // above a dialog that may be open
  return toast;
}

/** Run something for a button: it shows that it works, cannot be pressed twice, and says failures. */
export async function busy(control, work) {
  if (control.getAttribute("aria-busy") === "true") return undefined;
  control.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    fail(error);
    return undefined;
  } finally {
    control.removeAttribute("aria-busy");
  }
}
