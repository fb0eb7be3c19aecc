// The studio begins here: the frame around the views, and what is true on all of them.

import { models } from "./api.js";
import * as clips from "./clips.js";
import { createComposer } from "./composer.js";
import { $, button, fill, h, icon } from "./dom.js";
import { acceptDrops } from "./drop.js";
import { gallery } from "./gallery.js";
import { askForKey } from "./keyring.js";
import { queue } from "./queue.js";
import { follow, go } from "./route.js";
import { acceptShortcuts, showShortcuts } from "./shortcuts.js";
import { addToStory, storyboard } from "./storyboard.js";
import { applyTheme, themeButton } from "./theme.js";
import { clearFailures, fail, say } from "./toast.js";
import { openFile, workbench } from "./workbench.js";

const TABS = [
  ["library", "", "Library"],
  ["story", "story", "Storyboard"],
  ["queue", "queue", "Queue"],
];

async function start() {
  applyTheme();
  const tabs = TABS.map(([symbol, path, label]) =>
    h("a", { href: `#/${path}`, "data-tab": path }, icon(symbol), h("span", {}, label)),
  );
  const waiting = h("span", { class: "badge", hidden: true });
  tabs[2].append(waiting);
  fill($("tabs"), tabs);
  fill(
    $("bar-end"),
    button("Keyboard", {
      symbol: "keyboard",
      quiet: true,
      class: "ghost icon-only wide-only",
      onclick: showShortcuts,
    }),
    button("Key of this server", {
      symbol: "key",
      quiet: true,
      onclick: () =>
        askForKey("Only a server that was told to asks for one.").then((given) => given && location.reload()),
    }),
    themeButton(),
  );

  const known = await models().catch((error) => {
    fail(error);
    return { data: [] };
  });
  const composer = createComposer(known.data[0]?.skyloom);
  fill($("composer"), composer.element);

  clips.news.addEventListener("change", () => {
    const count = clips.active().length;
    waiting.hidden = count === 0;
    fill(waiting, String(count), h("span", { class: "unseen" }, " in work"));
  });
  clips.news.addEventListener("ended", ({ detail: clip }) => {
    if (clips.isReady(clip))
      say(`Done: ${clip.prompt || clip.skyloom?.operation}`, {
        label: "Open",
        run: () => go("clip", clip.id),
      });
    else fail(clip.error);
  });

  const views = { "": gallery, queue, story: storyboard, clip: workbench, file: workbench };
  follow((parts) => show(views[parts[0] ?? ""] ?? gallery, parts, composer));
  acceptShortcuts({ composer });
  acceptDrops({
    onpicture: (file) => {
      if (onStory()) return addToStory(file);
      if ($("composer").hidden) go(""); // from a clip: where the composer is
      return composer.attach(file);
    },
    onclip: (file) => (onStory() ? addToStory(file) : openFile(file)),
  });
  clips.loadMore().catch(fail);
  document.documentElement.dataset.ready = ""; // keys and drops are heard from here on
}

const onStory = () => location.hash.startsWith("#/story");

function show(view, parts, composer) {
  for (const tab of $("tabs").children) {
    const here = tab.dataset.tab === (parts[0] ?? "");
    here ? tab.setAttribute("aria-current", "page") : tab.removeAttribute("aria-current");
  }
  // The composer belongs to the library and the queue; the other views have forms of their own.
  $("composer").hidden = ["story", "clip", "file"].includes(parts[0]);
  const root = $("view");
  clearFailures();
  fill(root);
  scrollTo(0, 0);
  return view(root, parts, { composer });
}

start();
