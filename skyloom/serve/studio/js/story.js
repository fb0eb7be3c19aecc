// A story as it is written: its shots, kept by the browser over a reload (files of this computer
// are not: a browser may not open them again by itself).

const PLACE = "skyloom.story";
export const SHORTEST = 0.5;
export const LONGEST = 60;

let counter = 0;
const shot = (values = {}) => ({
  key: `shot-${++counter}`,
  prompt: "",
  seconds: 4,
  camera: "",
  cut: true,
  source: null,
  ...values,
});

/** The one story; it tells "change" when anything in it does. */
export const story = Object.assign(new EventTarget(), {
  subjects: "",
  style: "",
  size: "128x128",
  seed: 0,
  steps: "",
  shots: [],
  chosen: null,
});

function restore() {
  try {
    const { shots, ...rest } = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
    Object.assign(story, rest);
    story.shots = (shots ?? []).map((kept) => shot({ ...kept, key: undefined }));
    for (const one of story.shots) one.key ??= `shot-${++counter}`;
  } catch {
    /* what another version left there is no use */
  }
  if (!story.shots.length) story.shots = [shot()];
  story.chosen = story.shots[0].key;
}

export function changed() {
  const { subjects, style, size, seed, steps } = story;
  const shots = story.shots.map(({ key, source, ...rest }) => ({
    ...rest,
    source: source?.clip ? source : null,
  }));
  localStorage.setItem(PLACE, JSON.stringify({ subjects, style, size, seed, steps, shots }));
  story.dispatchEvent(new Event("change"));
}

export const chosen = () => story.shots.find(({ key }) => key === story.chosen) ?? story.shots[0];
export const indexOf = (key) => story.shots.findIndex((one) => one.key === key);
/** Seconds of a shot: a clip is shown whole before what is made. */
export const lengthOf = ({ seconds, source }) => seconds + (source?.kind === "clip" ? source.seconds : 0);
export const total = () => story.shots.reduce((sum, shot) => sum + lengthOf(shot), 0);

export function choose(key) {
  story.chosen = key;
  changed();
}

/** A new shot after the chosen one. */
export function addShot(values = {}) {
  const added = shot(values);
  story.shots.splice(indexOf(story.chosen) + 1, 0, added);
  choose(added.key);
  return added;
}

/** A picture or clip, in the chosen shot if that is still empty. */
export function addSource(source) {
  const now = chosen();
  if (now.prompt || now.source) return addShot({ source, seconds: 4 });
  Object.assign(now, { source, cut: true });
  changed();
  return now;
}

export function removeShot(key) {
  const index = indexOf(key);
  story.shots.splice(index, 1);
  if (!story.shots.length) story.shots.push(shot());
  story.shots[0].cut = true; // the first one has nothing to go on from
  choose(story.shots[Math.min(index, story.shots.length - 1)].key);
}

/** Put a shot at another place of the order. */
export function moveShot(key, to) {
  const from = indexOf(key);
  const place = Math.min(story.shots.length - 1, Math.max(0, to));
  if (from === place) return;
  story.shots.splice(place, 0, ...story.shots.splice(from, 1));
  story.shots[0].cut = true;
  changed();
}

export function setSeconds(key, seconds) {
  const one = story.shots[indexOf(key)];
  one.seconds = Math.min(LONGEST, Math.max(SHORTEST, Math.round(seconds * 4) / 4));
  changed();
}

export const clear = () => {
  Object.assign(story, { subjects: "", style: "", shots: [shot()] });
  choose(story.shots[0].key);
};

/** What the API takes: the story, and beside it the files that its shots name. */
export function toOrder() {
  const files = {};
  const shots = story.shots.map(({ prompt, seconds, camera, cut, source }, index) => {
    const told = { seconds, prompt: prompt.trim(), camera: camera.trim(), cut };
    if (source?.clip) told[source.kind] = { id: source.clip.id };
    else if (source) {
      told[source.kind] = `shot${index + 1}`; // the name of a part of the form
      files[`shot${index + 1}`] = source.file;
    }
    return told;
  });
  shots.forEach((told, index) => {
    if (!told.prompt && !told.camera && !told.picture && !told.clip) {
      story.chosen = story.shots[index].key;
      changed();
      throw new Error(`Shot ${index + 1} is empty: say what it shows, or give it a picture or a clip.`);
    }
  });
  return { told: { subjects: story.subjects.trim(), style: story.style.trim(), shots }, files };
}

restore();
