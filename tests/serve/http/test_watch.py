"""Requests that wait for jobs: all of them by one look, and none longer than there is reason."""

import asyncio
import time
from collections.abc import Collection, Mapping

from skyloom.serve.http.watch import Watch
from skyloom.serve.job import State

RUNNING, COMPLETED = State("in_progress", 7, 0), State("completed", 100, 0)


def over(state: State | None) -> bool:
    return state is None or state.ended


def test_all_who_wait_share_one_look_and_nobody_looks_for_nobody() -> None:
    states, looks = {"a": RUNNING, "b": RUNNING}, []

    def look(ids: Collection[str]) -> Mapping[str, State]:
        looks.append(set(ids))
        return dict(states)

    async def main() -> None:
        watch = Watch(look, lambda: False)
        waiting = [asyncio.create_task(watch.until(id, over, 30)) for id in "abab"]
        await asyncio.sleep(0.35)
        assert not any(each.done() for each in waiting)
        assert 1 <= len(looks) <= 4 and all(ids == {"a", "b"} for ids in looks)
        states["a"] = COMPLETED
        del states["b"]
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        count = len(looks)
        await asyncio.sleep(0.3)
        assert len(looks) == count

    asyncio.run(main())


def test_a_limit_a_server_that_leaves_and_a_database_that_is_away() -> None:
    def away(ids: Collection[str]) -> Mapping[str, State]:
        raise OSError("no database")

    async def main() -> None:
        began = time.monotonic()
        await Watch(lambda ids: {"a": RUNNING}, lambda: False).until("a", over, 0.2)
        assert time.monotonic() - began >= 0.2
        await Watch(lambda ids: {"a": RUNNING}, lambda: True).until("a", over, 30)
        await Watch(away, lambda: False).until("a", over, 30)
        assert time.monotonic() - began < 10

    asyncio.run(main())
