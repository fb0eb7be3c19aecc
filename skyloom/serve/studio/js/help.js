// What failed, in the server's words, and what would help: never a bare code.

const BY_CODE = {
  unreachable: "See whether it still runs (skyloom serve), then try again. Nothing that was ordered is lost.",
  worker_lost: "The machine that made it gave up more than once. Try again smaller or shorter.",
  unsafe_prompt: "Say it in other words; what the rules are is in the server's documentation.",
  server_error: "Try again. If it fails again, the server's log has the reason under this clip's id.",
};
const BY_STATUS = {
  401: "Enter a key of this server (the key symbol at the top).",
  403: "This key may not do that.",
  404: "It may have been deleted or have expired.",
  409: "It changed meanwhile: look again.",
  413: "Choose a smaller or shorter file.",
  429: "Wait until something in the queue is done, or delete what is not needed.",
  507: "Delete what is not needed to make room.",
};
const BY_PARAM = {
  size: "Choose another size in the settings.",
  seconds: "Choose another length in the settings.",
  prompt: "Change the prompt.",
  strength: "Choose a strength between 0 and 1.",
  storyboard: "Open the shot that is named and change it.",
  input_reference: "Choose another picture or clip.",
  video: "Choose another clip.",
  second: "Choose another second clip.",
};

/** Two sentences for an error of the API or of a job: {what, help}. */
export function explain(error) {
  const what = error?.message || "Something went wrong.";
  const help =
    BY_CODE[error?.code] ?? BY_STATUS[error?.status] ?? BY_PARAM[(error?.param ?? "").split("[")[0]];
  // Sentences of the server end in what would work already: say nothing twice.
  const saysSo = /: (use|try|say|ask|make|name|choose|give|leave) /i.test(what);
  return { what, help: saysSo && BY_STATUS[error?.status] === undefined ? "" : (help ?? "") };
}
