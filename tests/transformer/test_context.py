"""Tokens shared by several processes: what they compute is what one computes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skyloom.transformer.context import Context, order_of_rows

SHARING = Path(__file__).with_name("sharing.py")


def test_four_processes_agree_with_one() -> None:
    tests = str(SHARING.parents[1])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "4", str(SHARING)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": tests},
        check=False,
    )
    # An abort of gloo's threads at exit, after all is said, is not what is asked here.
    assert done.stdout.count(": alike\n") == 6, done.stderr


@given(st.integers(0, 40), st.integers(1, 5), st.data())
def test_every_row_has_one_process(whole: int, ranks: int, data: st.DataObject) -> None:
    every = [Context(rank, ranks) for rank in range(ranks)]
    rows = [row for context in every for row in range(whole)[context.part(whole)]]
    assert rows == list(range(whole))
    kept = torch.tensor(sorted(data.draw(st.sets(st.integers(0, max(0, whole - 1))))))
    kept = kept[kept < whole].long()
    found = [context.among(kept, whole) for context in every]
    starts = [context.part(whole).start for context in every]
    there = [here + start for (here, _), start in zip(found, starts, strict=True)]
    assert torch.cat(there).tolist() == kept.tolist()
    assert {counts for _, counts in found} == {tuple(len(here) for here, _ in found)}


@pytest.mark.parametrize(("text", "video"), [((2, 1), (3, 2)), ((1, 0, 1), (2, 2, 1))])
def test_order_of_rows(text: tuple[int, ...], video: tuple[int, ...]) -> None:
    """The rows as they come, the first process's words and patches, then the second's."""
    come: list[int] = []
    words, patches = 0, sum(text)
    for word, patch in zip(text, video, strict=True):
        come += [*range(words, words + word), *range(patches, patches + patch)]
        words, patches = words + word, patches + patch
    places = order_of_rows(text, video)
    assert [come[place] for place in places] == list(range(len(come)))
