"""A scene filmed: the video, its two captions and the truth about it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int8

from skyloom.video import Video
from skyloom.world.scene import Camera, Scene

if TYPE_CHECKING:
    from skyloom.world.stage import Stage

_MOMENT = 0.4
"""When a single picture is taken, as a share of the action: in its midst."""
_SHARE_DECIMALS = 4


@dataclass(frozen=True)
class Clip:
    """A video with a short and a detailed caption and the truth, a record for JSON."""

    video: Video
    short: str
    detailed: str
    truth: dict


def render_clip(
    scene: Scene, size: tuple[int, int] = (128, 128), frames: int = 49, fps: float = 12.0
) -> Clip:
    """Film a scene. The same arguments give the same bytes.

    A single frame is taken in the midst of the action, unless a relation is to be seen, which
    holds when the action begins.

    Args:
        size: (width, height) in pixels.
        frames: 1 for a picture.

    Raises:
        UserError: MuJoCo is not installed.
    """
    from skyloom.world.camera import CLIP_SECONDS, pose_at
    from skyloom.world.captions import describe
    from skyloom.world.render import Renderer
    from skyloom.world.stage import build_stage

    stage = build_stage(scene, duration=frames / fps if frames > 1 else 4.0)
    warmup = _warmup(scene, stage) if frames == 1 else 0.0
    stage.advance(warmup)
    renderer = Renderer(stage, scene, size)
    shots = _shots(scene, frames)
    pixels = np.empty((frames, size[1], size[0], 3), np.uint8)
    screen = []
    for number, shot in enumerate(shots):
        for frame in range(shot["start"], shot["end"]):
            if frame:
                stage.advance(1.0 / fps)
            seconds = frame / fps
            camera = scene.cameras[number]
            focus = stage.focus if camera.move == "follow" else stage.home
            fraction = (frame - shot["start"]) / fps / CLIP_SECONDS
            rendered = renderer.frame(pose_at(camera, focus, fraction, number), seconds)
            pixels[frame] = rendered.rgb
            screen.append(screen_boxes(rendered.subject, len(scene.subjects)))
    truth = {
        **_facts(scene, size, frames, fps),
        "events": _events(stage, warmup, frames / fps),
        "shots": shots,
        "screen": screen,
    }
    short, detailed = describe(scene, scene.seed, still=frames == 1)
    return Clip(Video(pixels, fps), short, detailed, truth)


def screen_boxes(subject: Int8[np.ndarray, "H W"], count: int) -> list[list[float] | None]:
    """Where each subject is on the picture: [cx, cy, w, h, visible] or None if it cannot be seen.

    Args:
        subject: the subject in each pixel, negative for none.
        count: how many subjects there are.

    Returns:
        Centre and size of the box in fractions of the picture's width and height (y down), and the
        share of the picture's pixels.
    """
    height, width = subject.shape
    boxes: list[list[float] | None] = []
    for index in range(count):
        mask = subject == index
        total = int(mask.sum())
        if not total:
            boxes.append(None)
            continue
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        left, right = columns[0] / width, (columns[-1] + 1) / width
        top, bottom = rows[0] / height, (rows[-1] + 1) / height
        box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
        boxes.append([round(float(v), _SHARE_DECIMALS) for v in (*box, total / mask.size)])
    return boxes


def _warmup(scene: Scene, stage: "Stage") -> float:
    """Seconds before a single picture is taken."""
    if scene.relation is not None:
        return 0.0
    if scene.action.name in ("falls", "bounces"):
        return 0.2
    return _MOMENT * stage.layout.seconds


def _shots(scene: Scene, frames: int) -> list[dict]:
    """Even parts of the clip, one a camera; a single frame shows the first camera alone."""
    count = min(len(scene.cameras), frames)
    cuts = [round(i * frames / count) for i in range(count + 1)]
    return [
        {"start": cuts[i], "end": cuts[i + 1], "camera": _told(scene.cameras[i])}
        for i in range(count)
    ]


def _told(camera: Camera) -> dict:
    return {"move": camera.move, "direction": camera.direction}


def _events(stage: "Stage", warmup: float, duration: float) -> list[dict]:
    """The stage's events in seconds of the clip; what goes on when it ends, ends with it."""
    events = []
    for event in stage.events:
        end = duration if event["end"] is None else event["end"] - warmup
        start = max(event["start"] - warmup, 0.0)
        if end >= 0.0:
            events.append({**event, "start": round(start, 3), "end": round(min(end, duration), 3)})
    return events


def _facts(scene: Scene, size: tuple[int, int], frames: int, fps: float) -> dict:
    """What the scene says, as the truth tells it."""
    relation, word = scene.relation, scene.word
    return {
        "engine": "mujoco",
        "seed": scene.seed,
        "size": list(size),
        "fps": fps,
        "frames": frames,
        "tier": scene.tier,
        "subjects": [asdict(subject) for subject in scene.subjects],
        "action": asdict(scene.action),
        "relation": None if relation is None else asdict(relation),
        "place": scene.place,
        "time": scene.time,
        "weather": scene.weather,
        "look": scene.look,
        "camera": _told(scene.cameras[0]),
        "word": None if word is None else {"text": word.text, "where": word.surface},
    }
