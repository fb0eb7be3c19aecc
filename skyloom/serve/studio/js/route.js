// Which view the address asks for: #/, #/queue, #/story, #/clip/ID and #/clip/ID/TOOL.

/** Go somewhere; the browser's own back button comes back from there. */
export const go = (...parts) => {
  location.hash = `#/${parts.join("/")}`;
};

export const where = () =>
  location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);

/** Call `show(parts)` now and at each change of address, and what it returned when it is left. */
export function follow(show) {
  let leave = null;
  const turn = async () => {
    leave?.();
    leave = show(where()) ?? null;
  };
  addEventListener("hashchange", turn);
  turn();
}
