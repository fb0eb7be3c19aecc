// Server-sent events read through fetch: EventSource cannot send a key.

import { request } from "./api.js";

/** Call `tell(name, data)` for each event of a path until the stream ends or `signal` aborts. */
export async function listen(path, tell, signal) {
  const response = await request(path, { signal, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (waiting + value).replaceAll("\r\n", "\n").split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) dispatch(block, tell);
  }
}

function dispatch(block, tell) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trim());
  }
  if (data.length) tell(name, JSON.parse(data.join("\n")));
}
