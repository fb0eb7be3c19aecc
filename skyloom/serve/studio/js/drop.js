// Pictures and clips from outside: dropped anywhere on the page, or pasted.

import { $ } from "./dom.js";
import { fail } from "./toast.js";

/** Hand each dropped or pasted file on by its kind. */
export function acceptDrops({ onpicture, onclip }) {
  const veil = $("drop");
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // dragging over children leaves and enters again and again

  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    veil.hidden = depth <= 0;
  });
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    hand([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => hand([...(event.clipboardData?.files ?? [])]));

  function hand(files) {
    for (const file of files) {
      if (file.type.startsWith("image/") && file.type !== "image/gif") onpicture(file);
      else if (file.type.startsWith("video/") || file.type === "image/gif") onclip(file);
      else
        fail(new Error(`'${file.name}' is neither a picture nor a clip: use PNG, JPEG, WebP, MP4 or WebM.`));
    }
  }
}
