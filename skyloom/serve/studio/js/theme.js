// Light, dark, or as the system says.

import { fill, h, icon } from "./dom.js";

const PLACE = "skyloom.theme";
const CHOICES = ["auto", "light", "dark"];
const SYMBOLS = { auto: "auto", light: "sun", dark: "moon" };

export function applyTheme(choice = localStorage.getItem(PLACE) ?? "auto") {
  if (choice === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}

export function themeButton() {
  const toggle = h("button", { type: "button", class: "ghost icon-only" });
  const choose = (choice) => {
    localStorage.setItem(PLACE, choice);
    applyTheme(choice);
    toggle.setAttribute("aria-label", `Colours: ${choice}`);
    toggle.title = `Colours: ${choice}`;
    fill(toggle, icon(SYMBOLS[choice]));
    toggle.dataset.choice = choice;
  };
  toggle.addEventListener("click", () => choose(CHOICES[(CHOICES.indexOf(toggle.dataset.choice) + 1) % 3]));
  choose(localStorage.getItem(PLACE) ?? "auto");
  return toggle;
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
