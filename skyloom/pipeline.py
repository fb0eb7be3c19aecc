"""Requests to videos: the glue between the rooms, and nothing else.

request -> windows -> given frames -> noise -> sampler -> decode -> given frames put back
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from skyloom import edit as edits
from skyloom.autoencoder.tiling import piece_size
from skyloom.canvas import Canvas
from skyloom.condition import Given
from skyloom.device import pick_device, pick_dtype
from skyloom.edit import Edit, shown
from skyloom.fitting import fit
from skyloom.flow.noise import latent_noise
from skyloom.flow.prediction import named_prediction
from skyloom.latent_frames import frames_of, frames_of_loop
from skyloom.limits import check_memory, check_seconds, check_size, check_words
from skyloom.modelfolder import Model, load_model
from skyloom.motion import MotionPath
from skyloom.request import Request
from skyloom.sampler import Piece, Progress, Sampler, Watch, part_of, shared_settings
from skyloom.storyboard import Plan, Story, film, plan, read_story
from skyloom.tiles import Growth, large_image
from skyloom.video import Video
from skyloom.windows import HISTORY_SIGMA, Span, at_once, spans

Frames = UInt8[np.ndarray, "F H W 3"]


class Skyloom:
    """A loaded model that makes videos.

    Args:
        model: its networks are moved to `device`, in place.
        device: "auto", "cpu", "cuda", ...
        dtype: precision in which the networks run; None is what suits the device.
    """

    def __init__(
        self, model: Model, device: str = "auto", dtype: torch.dtype | None = None
    ) -> None:
        self.device = pick_device(device)
        dtype = dtype or pick_dtype(self.device)
        self.model = model
        self.autoencoder = model.autoencoder.to(self.device, dtype)
        self.transformer = model.transformer.to(self.device, dtype)
        self.text = model.text.to(self.device, dtype)
        prediction = named_prediction(self.transformer.config.prediction)
        self.sampler = Sampler(self.transformer, self.text, prediction, self.device)

    @classmethod
    def load(cls, folder: Path | str | None = None, device: str = "auto") -> "Skyloom":
        """Load a model folder; the bundled model if none is named.

        Raises:
            UserError: the folder is missing, incomplete, of another format, or damaged.
        """
        return cls(load_model(None if folder is None else Path(folder)), device)

    def sampled_by(self, sampler: Sampler) -> "Skyloom":
        """The same networks, with another sampler, such as the `Engine` of a server."""
        other = copy(self)
        other.sampler = sampler
        return other

    def generate(self, request: Request | str, progress: Progress | None = None) -> Video:
        """Make one clip.

        Raises:
            UserError: a size or length that the model cannot make, or that needs more memory than
                there is.
        """
        request = Request(request) if isinstance(request, str) else request
        return self.generate_many([request], progress)[0]

    def generate_many(
        self, requests: Sequence[Request], progress: Progress | None = None
    ) -> list[Video]:
        """Make several clips, in one packed batch if each is made in one window.

        Each clip is what it would be alone: its noise comes from its own seed.

        Raises:
            UserError: as `generate` does.
            ValueError: they do not all ask for the same steps, solver, guidance and rescale.
        """
        if len(requests) == 1 or not all(map(self._at_once, requests)):
            return [
                Video(np.concatenate(list(self.stream(request, progress))), request.fps)
                for request in requests
            ]
        return [
            Video(np.concatenate(list(self._frames(request, iter([clip])))), request.fps)
            for request, clip in zip(requests, self.sample(requests, progress), strict=True)
        ]

    def edit(self, edit: Edit, progress: Progress | None = None) -> Video:
        """Carry out one of the operations of skyloom/edit.py.

        Raises:
            UserError: as `generate` does.
        """
        frames = shown(edit, self.stream(edit.request, progress))
        return Video(np.concatenate(list(frames)), edit.request.fps)

    def animate(self, picture: Video, request: Request, at: str = "start") -> Video:
        """The picture comes to life: it is the first frame, or the last; see `edit.animate`."""
        return self.edit(edits.animate(fitted(picture, request), request, at))

    def move(self, picture: Video, path: MotionPath, request: Request) -> Video:
        """The picture comes to life, and a part of it goes along a path; see `edit.move`."""
        return self.edit(edits.move(fitted(picture, request), path, request))

    def extend(self, clip: Video, request: Request, backward: bool = False) -> Video:
        """So many seconds more after the clip, or before it; see `edit.extend`."""
        clip = fitted(clip, request)
        return self.edit(edits.extend(clip, request, self.autoencoder.stride[0], backward))

    def connect(self, first: Video, second: Video, request: Request) -> Video:
        """From the end of one clip to the start of another; see `edit.connect`."""
        first, second = fitted(first, request), fitted(second, request)
        return self.edit(edits.connect(first, second, request, self.autoencoder.stride[0]))

    def loop(self, request: Request, clip: Video | None = None) -> Video:
        """A clip that plays for ever; see `edit.loop`."""
        clip = None if clip is None else fitted(clip, request)
        return self.edit(edits.loop(request, self.autoencoder.stride[0], clip))

    def blend(self, first: Video, second: Video, request: Request) -> Video:
        """One scene turns gradually into the other; see `edit.blend`."""
        return self.edit(edits.blend(fitted(first, request), fitted(second, request), request))

    def fill(self, clip: Video, keep: Sequence[tuple[int, int]], request: Request) -> Video:
        """The frames to keep stay, the rest is made; see `edit.fill`."""
        return self.edit(edits.fill(fitted(clip, request), keep, request))

    def restyle(
        self,
        clip: Video,
        request: Request,
        strength: float = 0.7,
        mask: Bool[np.ndarray, "*F H W"] | None = None,
    ) -> Video:
        """The same clip in other words; see `edit.restyle`."""
        return self.edit(edits.restyle(fitted(clip, request), request, strength, mask))

    def storyboard(self, story: Story | Path | str, progress: Progress | None = None) -> Video:
        """A film in shots, of a `Story` or of the TOML file of one; see skyloom/storyboard.py.

        Raises:
            UserError: as `generate` and `read_story` do.
        """
        story = story if isinstance(story, Story) else read_story(story)
        return Video(np.concatenate(list(self.film(story, self.plan(story), progress))), story.fps)

    def plan(self, story: Story) -> Plan:
        """What making a story comes to; it refuses what cannot be made."""
        return plan(story, self.autoencoder.stride[0], self.latent_shape)

    def film(
        self,
        story: Story,
        plan: Plan,
        progress: Progress | None = None,
        character: Frames | None = None,
    ) -> Iterator[Frames]:
        """The frames of a story shot by shot, as they are made; see `storyboard.film`."""
        total, done = sum(map(self.steps, plan.requests)), 0

        def make(request: Request) -> Iterator[Frames]:
            nonlocal done
            before, tell = done, progress or (lambda step, count: None)
            yield from self.stream(request, lambda step, _: tell(before + step, total))
            done += self.steps(request)

        return film(story, self.autoencoder.stride[0], make, character=character)

    def sample(
        self,
        requests: Sequence[Request],
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> list[Float[Tensor, "C _T _H _W"]]:
        """The clean latents of requests that are each made in one window, in one packed batch."""
        pieces = [self._piece(request, self.spans(request)[0]) for request in requests]
        return self.sampler.sample(pieces, shared_settings(requests), progress, watch)

    def stream(self, request: Request, progress: Progress | None = None) -> Iterator[Frames]:
        """The frames of a clip of any length, as they are made; memory does not grow with it.

        Raises:
            UserError: as `generate` does.
        """
        growth = self._growth(request)
        if growth is None:
            yield from self._frames(request, self._latents(request, progress))
        else:
            self.latent_shape(request)  # refuses what cannot be made
            yield large_image(
                request, growth, self.stream, self.sampler, self.autoencoder, progress
            )

    def steps(self, request: Request) -> int:
        """What progress counts up to."""
        growth = self._growth(request)
        return sum(growth.calls) if growth else request.steps * len(self.spans(request))

    def _growth(self, request: Request) -> Growth | None:
        """The way to a large image; None where no tiles are needed."""
        multiple = self.autoencoder.stride[1] * self.transformer.config.patch[1]
        return Growth.of(request, multiple)

    def _at_once(self, request: Request) -> bool:
        """Whether all of it is made in one window and without tiles."""
        return len(self.spans(request)) == 1 and self._growth(request) is None

    def latent_shape(self, request: Request) -> tuple[int, int, int, int]:
        """(C, T, H, W) of the latents of a request.

        Raises:
            UserError: there is neither a prompt nor anything given, the model cannot make this size
                or length, or memory would not hold it.
        """
        check_words(request.words, bool(request.given))
        time, space, _ = self.autoencoder.stride
        _, down, across = self.transformer.config.patch
        check_size(request.size, space * across, space * down)
        check_seconds(request.seconds)
        width, height = request.size
        count = -(-request.frames // time) if request.loop else 1 + -(-(request.frames - 1) // time)
        at_once = min(count, self._window(request)) * time
        whole = self._growth(request) is None
        size = request.size if whole else piece_size(self.autoencoder.config, request.size)
        check_memory(at_once, size, self.autoencoder.config.widths[0])
        return self.autoencoder.config.channels, count, height // space, width // space

    def spans(self, request: Request) -> list[Span]:
        """The windows in which a request is made, in the order of making."""
        count = self.latent_shape(request)[1]
        if request.loop:
            return [Span(0, count)]
        stride = self.autoencoder.stride[0]
        given = [False] * count
        for frame in range(request.frames if request.given else 0):
            given[-(-frame // stride)] |= request.keeps(frame)
        return spans(count, self._window(request), given=given)

    def _window(self, request: Request) -> int:
        """Latent frames that are made at once."""
        return at_once(request.window, request.fps, self.autoencoder.stride[0])

    def _latents(
        self, request: Request, progress: Progress | None
    ) -> Iterator[Float[Tensor, "C T H W"]]:
        """Clean latents window by window, each latent frame once, in the order of time."""
        made = self._made(request, progress)
        if self.spans(request)[0].start == 0:
            return made
        return iter(list(made)[::-1])  # from the end to the start; latents are small

    def _made(
        self, request: Request, progress: Progress | None
    ) -> Iterator[Float[Tensor, "C T H W"]]:
        """The same in the order of making."""
        settings = shared_settings([request])
        plan = self.spans(request)
        beside = None  # the window that was made last
        for number, span in enumerate(plan):
            piece = self._piece(request, span)
            if beside is not None:
                before, after = beside[:, len(beside[0]) - span.history :], beside[:, : span.future]
                given = piece.given.beside(before, after, HISTORY_SIGMA)
                piece = replace(piece, given=given)
                settings = replace(settings, guidance=request.scale(rolling=True))
            if (piece.given.ceiling == 0).all():
                latents = piece.given.latents
            else:
                watch = part_of(progress, number, len(plan), settings.steps)
                (latents,) = self.sampler.sample([piece], settings, watch)
            beside = latents.cpu()
            yield latents[:, span.history : len(latents[0]) - span.future]

    def _piece(self, request: Request, span: Span) -> Piece:
        """One window as the sampler takes it, before it knows what is made beside it."""
        channels, _, height, width = self.latent_shape(request)
        shape = (channels, span.stop - span.start, height, width)
        canvas = self._canvas(request, span)
        given = canvas.given(self.autoencoder) if not canvas.empty else Given.nothing(shape)
        return Piece(
            request.words,
            request.negative,
            request.fps,
            latent_noise(request.seed, shape, span.start),
            given,
            start=1 if span.start or request.loop else 0,
            loop=request.loop,
        )

    def _canvas(self, request: Request, span: Span, new: bool = False) -> Canvas:
        """What is given of a window's frames, of the `new` ones alone if that is wanted."""
        total = self._total(request)
        inside = span.frames(self.autoencoder.stride[0], new)
        inside = slice(0, total) if request.loop else inside
        return Canvas.of(request.given, total, request.size, inside, request.frames)

    def _total(self, request: Request) -> int:
        """Frames that the latents of a request stand for: a few more than were asked for."""
        time, count = self.autoencoder.stride[0], self.latent_shape(request)[1]
        return count * time if request.loop else 1 + (count - 1) * time

    def _frames(self, request: Request, latents: Iterator[Tensor]) -> Iterator[Frames]:
        """Frames of clean latents that come window by window, what was given put back in them."""
        decoded = self._looped(latents) if request.loop else self.decode_stream(latents)
        waiting = np.zeros((0, *request.size[::-1], 3), np.uint8)
        left = self._total(request) if request.loop else request.frames
        for span in sorted(self.spans(request), key=lambda span: span.start):
            canvas = self._canvas(request, span, new=True)
            count = len(canvas.frames)
            while len(waiting) < count:
                waiting = np.concatenate([waiting, next(decoded)])
            made, waiting = waiting[:count], waiting[count:]
            if not canvas.empty:
                made = canvas.pasted(made, request.loop)
            yield made[:left]
            left -= len(made[:left])

    def decode_stream(
        self, windows: Iterator[Float[Tensor, "C T H W"]], chunk: int = 2, first: bool = True
    ) -> Iterator[Frames]:
        """Bytes of the frames as they are decoded, `chunk` latent frames at a time.

        Args:
            first: the first latent frame begins a clip and stands for a single frame.
        """
        yield from frames_of(self.autoencoder, windows, chunk, first)

    def _looped(self, latents: Iterator[Tensor]) -> Iterator[Frames]:
        decode = partial(self.decode_stream, first=False)
        return frames_of_loop(latents, self.autoencoder.stride[0], decode)


def fitted(video: Video, request: Request) -> Video:
    """The video at the size and frame rate of the request; a picture stays one frame."""
    if video.size == request.size and (video.fps == request.fps or len(video.frames) == 1):
        return video
    fps = None if len(video.frames) == 1 else request.fps
    return fit(video, size=request.size, fps=fps).video


def variations(request: Request, count: int) -> list[Request]:
    """The same request with the seeds that follow."""
    return [replace(request, seed=request.seed + index) for index in range(count)]
