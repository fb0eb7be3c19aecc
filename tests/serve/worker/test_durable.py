"""A sampler that remembers: what is kept is used, where it is the same that would be made."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from skyloom.flow.solver import Denoise
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.sampler import Sampler
from skyloom.serve.store.files import Files
from skyloom.serve.worker.durable import DurableSampler

REQUEST = Request("a ball", size=(32, 32), seconds=33 / 12, steps=2, window=0.1)  # three windows

PICTURE = Request("a ball", size=(384, 256), seconds=0, steps=8)  # a small one, four steps of tiles


class Counted(Sampler):
    """The tiny model's sampler, with the number of its calls and of steps of tiles."""

    def __init__(self, sampler: Sampler) -> None:
        network = sampler.network
        super().__init__(sampler.transformer, sampler.text, network.prediction, sampler.device)
        self.calls = self.tiles = 0

    def denoiser(self, *args, **kwargs) -> Denoise:
        """As always."""
        denoise = super().denoiser(*args, **kwargs)

        def counted(x: Tensor, sigma: Tensor) -> Tensor:
            self.tiles += 1
            return denoise(x, sigma)

        return counted

    def sample(self, *args, **kwargs) -> list[Tensor]:
        """As always, but for the order in which the numbers lie in memory."""
        self.calls += 1
        made = super().sample(*args, **kwargs)
        return [each.transpose(-1, -2).contiguous().transpose(-1, -2) for each in made]


class Run:
    """Runs of one job, each of which may be cut off."""

    def __init__(self, skyloom: Skyloom, files: Files) -> None:
        self.skyloom, self.files, self.sampler = skyloom, files, Counted(skyloom.sampler)
        self.told: list[int] = []
        self.finished = 0

    def frames(
        self,
        request: Request = REQUEST,
        model: str = "a",
        step: Callable[[str, Callable[[], str]], str] = lambda name, make: make(),
    ) -> bytes:
        def done() -> None:
            self.finished += 1

        durable = DurableSampler(self.sampler, self.files, "jobs/x/work", model, step, done)
        mine = self.skyloom.sampled_by(durable)
        self.told = []
        made = mine.stream(request, lambda step, _: self.told.append(step))
        return b"".join(piece.tobytes() for piece in made)


@pytest.fixture
def run(skyloom: Skyloom, tmp_path: Path) -> Run:
    return Run(skyloom, Files(tmp_path / "files"))


def test_the_network_is_that_of_all_jobs(run: Run) -> None:
    durable = DurableSampler(
        run.sampler, run.files, "jobs/x/work", "model", lambda _, make: make(), lambda: None
    )
    assert durable.network is run.sampler.network


def test_the_next_run_makes_only_what_is_missing(run: Run, skyloom: Skyloom) -> None:
    plain = b"".join(piece.tobytes() for piece in skyloom.stream(REQUEST))
    assert run.frames() == plain and run.sampler.calls == run.finished == 3
    keys = run.files.keys("jobs")
    assert keys == [f"jobs/x/work/000{n}.safetensors" for n in range(3)]
    assert run.frames() == plain and run.sampler.calls == run.finished == 3
    assert run.told == [2, 4, 6], "progress counts what is remembered"
    run.files.delete(keys[2])
    assert run.frames() == plain and run.sampler.calls == 4


def test_what_the_queue_knows_is_not_made_again(run: Run) -> None:
    made = run.frames()
    assert run.frames(step=lambda name, make: name) == made and run.sampler.calls == 3
    for key in run.files.keys("jobs"):
        run.files.delete(key)  # lost from the store: it is made once more
    assert run.frames(step=lambda name, make: name) == made and run.sampler.calls == 6


def test_latents_of_something_else_are_not_gone_on_from(run: Run) -> None:
    first = run.frames()
    assert run.frames(model="b") == first and run.sampler.calls == 6, "other weights"
    assert run.frames(Request(**{**vars(REQUEST), "seed": 1}), model="b") != first
    assert run.sampler.calls == 9


def test_a_broken_file_is_made_again(run: Run, tmp_path: Path) -> None:
    made = run.frames()
    for key, text in zip(run.files.keys("jobs"), (b"", b"nonsense" * 9), strict=False):
        path = run.files.path(key)
        assert path is not None
        path.write_bytes(text)
    assert run.frames() == made and run.sampler.calls == 5


def test_latents_lie_in_memory_as_those_that_are_kept(run: Run) -> None:
    """Convolutions round otherwise for another layout: a clip gone on with would be another."""

    def layouts() -> list[tuple[int, ...]]:
        durable = DurableSampler(
            run.sampler, run.files, "jobs/x/work", "a", lambda name, make: make(), lambda: None
        )
        mine = run.skyloom.sampled_by(durable)
        return [each.stride() for each in mine._latents(REQUEST, None)]

    fresh = layouts()
    assert layouts() == fresh and run.sampler.calls == 3


@pytest.mark.parametrize("solver", ["euler", "heun", "multistep"])
def test_a_picture_in_tiles_goes_on_from_its_last_step(
    run: Run, skyloom: Skyloom, solver: str
) -> None:
    request = replace(PICTURE, solver=solver)
    told: list[int] = []
    plain = b"".join(
        piece.tobytes() for piece in skyloom.stream(request, lambda step, _: told.append(step))
    )
    assert run.frames(request) == plain and run.told == told
    denoisings = 7 if solver == "heun" else 4
    assert (run.sampler.calls, run.sampler.tiles, run.finished) == (1, denoisings, 1 + denoisings)
    keys = run.files.keys("jobs")
    for key in keys[-2:]:
        run.files.delete(key)
    assert run.frames(request) == plain and run.told[-1] == told[-1]
    assert (run.sampler.calls, run.sampler.tiles) == (1, denoisings + 2)
    assert run.frames(replace(request, prompt="a cube")) != plain, "other words, nothing kept"
    assert (run.sampler.calls, run.sampler.tiles) == (2, 2 * denoisings + 2)


def test_clean_estimates_are_seen_on_the_way(run: Run) -> None:
    seen: list[torch.Size] = []
    durable = DurableSampler(
        run.sampler, run.files, "jobs/x/work", "a", lambda name, make: make(), lambda: None,
        lambda piece, estimate: seen.append(estimate.shape),
    )  # fmt: skip
    for _ in run.skyloom.sampled_by(durable).stream(REQUEST):
        pass
    assert len(seen) == 6 and len({shape[0] for shape in seen}) == 1
