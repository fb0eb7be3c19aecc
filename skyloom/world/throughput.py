"""How fast the world renders: physics, rays, light and captions, as datasets are made."""

from time import perf_counter

from skyloom.world.clip import render_clip
from skyloom.world.sampling import sample_scene


def frames_per_second(
    clips: int = 8,
    size: tuple[int, int] = (128, 128),
    frames: int = 49,
    fps: float = 12.0,
    seed: int = 0,
) -> float:
    """Render random scenes one after the other in this process; returns frames a second.

    Everything that a clip costs counts: building its simulation, stepping it, rendering, telling.
    A first frame is rendered before the clock starts, so that imports do not count.
    """
    render_clip(sample_scene(seed), size, 1, fps)
    start = perf_counter()
    for number in range(clips):
        render_clip(sample_scene(seed + 1 + number), size, frames, fps)
    return clips * frames / (perf_counter() - start)
