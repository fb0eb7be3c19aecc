"""A folder of captioned clips, rendered in parallel and restartable.

Every item is a pure function of (recipe, index): a folder that was interrupted, rendered with
another number of workers or grown by asking for more clips holds the same bytes as one made in
one go. Rows of captions.jsonl are appended in the order of the items, each after its file.
"""

import hashlib
import json
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random

from skyloom import video
from skyloom.errors import UserError
from skyloom.files import atomic_path, check_writable
from skyloom.progress import track
from skyloom.world.scene import TIERS

SMALLEST = 32
"""Pixels of the shorter side below which nothing can be told apart."""
LARGEST = 4096
FORMATS = ("mp4", "safetensors")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class WorldRecipe:
    """What a folder of the world holds.

    Attributes:
        clips: number of videos.
        images: number of single pictures besides, as PNG.
        seed: of everything; the same recipe gives the same bytes.
        sizes: (width, height) pairs in pixels, one drawn for each item.
        frames: frame counts, one drawn for each clip.
        fps: frames a second, one drawn for each clip.
        crafter: share of the clips that are played in the game Crafter, 0 to 1; none if a tier
            is asked for.
        split: "train", or "heldout" for the combinations that training never sees.
        tier: one of `scene.TIERS`, or None for the mixture.
        format: "mp4", or "safetensors" for frames without loss that need no PyAV.
    """

    clips: int
    images: int = 0
    seed: int = 0
    sizes: tuple[tuple[int, int], ...] = ((128, 128),)
    frames: tuple[int, ...] = (49,)
    fps: tuple[float, ...] = (12.0,)
    crafter: float = 0.06
    split: str = "train"
    tier: str | None = None
    format: str = "mp4"


@dataclass(frozen=True)
class Item:
    """One file to be: its name without suffix, and the seed of all that is in it."""

    name: str
    seed: int
    still: bool


def write_world(
    folder: str | os.PathLike[str],
    recipe: WorldRecipe,
    workers: int | None = None,
) -> None:
    """Render a recipe into `folder`: files, captions.jsonl, and world.json that names the recipe.

    What is there is not made again. Ctrl-C leaves no half file; the same call goes on from there.

    Args:
        workers: processes, each with one thread; None is one for every core. With 1, the work is
            done in this process.

    Raises:
        UserError: the recipe asks for what cannot be, or `folder` cannot be written or holds
            clips of another recipe.
    """
    check_recipe(recipe)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise UserError(f"Cannot render with {workers} workers: use 1 or more.")
    target = _open_folder(Path(folder), recipe)
    captions = target / "captions.jsonl"
    done = _keep_complete_rows(captions)
    todo = [item for item in items(recipe) if _file_of(item, recipe) not in done]
    if not todo:
        return
    total = recipe.clips + recipe.images
    bar_of = track(total, "rendering", "clips", start=total - len(todo))
    with captions.open("a", encoding="utf-8") as rows, bar_of as bar:
        for row in _rendered(target, recipe, todo, min(workers, len(todo))):
            rows.write(row)  # a whole line at once, in the order of the items
            rows.flush()
            bar.advance()


def check_recipe(recipe: WorldRecipe) -> None:
    """Find what cannot be rendered.

    Raises:
        UserError: naming the first value that cannot be, and what would work.
    """
    if recipe.clips < 0 or recipe.images < 0 or recipe.clips + recipe.images < 1:
        raise UserError(
            f"Cannot render {recipe.clips} clips and {recipe.images} images: ask for 1 or more."
        )
    for values, name in (
        (recipe.sizes, "size"),
        (recipe.frames, "frame count"),
        (recipe.fps, "rate"),
    ):
        if not values:
            raise UserError(f"Name at least one {name}: the recipe has none.")
    for width, height in recipe.sizes:
        if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
            raise UserError(
                f"Cannot render at {width}x{height}: use sides of {SMALLEST} to {LARGEST}."
            )
    for frames in recipe.frames:
        if frames < 1:
            raise UserError(f"A clip of {frames} frames cannot be: use 1 or more.")
    for fps in recipe.fps:
        if not 1 <= fps <= 240:
            raise UserError(f"Cannot render {fps} frames a second: use 1 to 240.")
    if not 0 <= recipe.crafter <= 1:
        raise UserError(f"The share of Crafter clips is {recipe.crafter}: use 0 to 1.")
    if recipe.format not in FORMATS:
        raise UserError(f"Cannot write clips as '{recipe.format}': use {' or '.join(FORMATS)}.")
    if recipe.split not in ("train", "heldout"):
        raise UserError(f"There is no split '{recipe.split}': use train or heldout.")
    if recipe.tier is not None and recipe.tier not in TIERS:
        raise UserError(f"There is no tier '{recipe.tier}': use {', '.join(TIERS)}.")


def items(recipe: WorldRecipe) -> Iterator[Item]:
    """The items of a recipe in their order: clips, then images."""
    for still, count in ((False, recipe.clips), (True, recipe.images)):
        kind = "image" if still else "clip"
        for index in range(count):
            digest = hashlib.sha256(f"{recipe.seed} {kind} {index}".encode()).digest()
            yield Item(f"{kind}_{index:06d}", int.from_bytes(digest[:6], "big"), still)


def render_item(folder: Path, recipe: WorldRecipe, item: Item) -> str:
    """Render one item into `folder`; return its row of captions.jsonl, newline and all."""
    rng = Random(f"item {item.seed}")
    size, frames, fps = rng.choice(recipe.sizes), rng.choice(recipe.frames), rng.choice(recipe.fps)
    digital = rng.random() < recipe.crafter and recipe.tier is None
    if digital and not item.still:
        from skyloom.world.crafter import render_crafter

        clip = render_crafter(item.seed, size, frames, fps, recipe.split)
    else:
        from skyloom.world.clip import render_clip
        from skyloom.world.sampling import sample_scene

        scene = sample_scene(item.seed, split=recipe.split, tier=recipe.tier)
        clip = render_clip(scene, size, 1 if item.still else frames, fps)
    name = _file_of(item, recipe)
    video.write(clip.video, folder / name)
    row = {"file": name, "captions": [clip.short, clip.detailed], "truth": clip.truth}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


# ── the folder ────────────────────────────────────────────────────────────────────────────────
def _file_of(item: Item, recipe: WorldRecipe) -> str:
    return f"{item.name}.{'png' if item.still else recipe.format}"


def _open_folder(folder: Path, recipe: WorldRecipe) -> Path:
    """Make the folder, or see that what it holds was made by the same recipe."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder '{folder}': {error.strerror}.") from error
    check_writable(folder / "captions.jsonl")
    note = folder / "world.json"
    # through JSON, because tuples come back as lists; the counts may grow
    wanted = json.loads(json.dumps(asdict(recipe)))
    del wanted["clips"], wanted["images"]
    try:
        found = json.loads(note.read_text("utf-8")) if note.exists() else None
    except (OSError, ValueError):
        found = {}
    if found is None and (folder / "captions.jsonl").exists():
        raise UserError(f"'{folder}' has captions of other clips already: name another folder.")
    if found is not None and found != wanted:
        key = next((key for key in wanted if found.get(key) != wanted[key]), "format")
        raise UserError(
            f"'{folder}' holds clips with {key} {found.get(key)} and now {wanted[key]} is asked "
            "for: name another folder, or ask for the same to go on."
        )
    if found is None:
        with atomic_path(note) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1) + "\n", "utf-8")
    return folder


def _keep_complete_rows(captions: Path) -> set[str]:
    """Files that have both a row and themselves; drop rows that are cut off or lack their file."""
    if not captions.exists():
        return set()
    lines = captions.read_text("utf-8", errors="replace").splitlines(keepends=True)
    kept, files = [], set()
    for line in lines:
        try:
            name = json.loads(line)["file"]
        except (ValueError, KeyError, TypeError):
            continue
        if line.endswith("\n") and name not in files and (captions.parent / name).is_file():
            kept.append(line)
            files.add(name)
    if kept != lines:
        with atomic_path(captions) as temporary:
            temporary.write_text("".join(kept), "utf-8")
    return files


# ── the processes ─────────────────────────────────────────────────────────────────────────────
def _rendered(folder: Path, recipe: WorldRecipe, todo: list[Item], workers: int) -> Iterator[str]:
    """Rows in the order of `todo`, rendered here or by `workers` processes ahead of the reader."""
    if workers == 1:
        for item in todo:
            yield render_item(folder, recipe, item)
        return
    context = multiprocessing.get_context("spawn")  # fork would copy threads that hold locks
    ahead, rest = deque[Future[str]](), iter(todo)
    with one_thread_each():
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interrupts)
        for item in islice(rest, 4 * workers):
            ahead.append(pool.submit(render_item, folder, recipe, item))
    try:
        while ahead:
            row = ahead.popleft().result()
            ahead.extend(pool.submit(render_item, folder, recipe, item) for item in islice(rest, 1))
            yield row
    except BrokenProcessPool as error:
        raise UserError(
            f"A process that rendered into '{folder}' was killed, as happens when memory runs "
            "out: run the same again with fewer workers."
        ) from error
    finally:
        # clips under way end well, within a second or two: no half files
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal: let the parent alone decide."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that start inside inherit one thread for their numerics; restored after."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
