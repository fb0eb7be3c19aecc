"""Who may work beside whom."""

import threading
import time

from skyloom.serve.worker.gate import Gate


def test_one_is_alone_until_it_shares() -> None:
    gate, seen, go = Gate(), [], threading.Event()

    def many(name: str) -> None:
        with gate.passing(alone=False):
            seen.append(name)
            go.wait(10)

    with gate.passing(alone=True) as mine:
        thread = threading.Thread(target=many, args=("beside",))
        thread.start()
        time.sleep(0.05)
        assert seen == []
        mine.share()
        while not seen:
            time.sleep(0.001)
    go.set()
    thread.join()


def test_who_waits_to_be_alone_goes_before_newcomers() -> None:
    gate, order, leave = Gate(), [], threading.Event()

    def enter(name: str, alone: bool) -> None:
        with gate.passing(alone):
            order.append(name)
            if name == "first":
                leave.wait(10)

    threads = []
    for name, alone in (("first", False), ("alone", True), ("late", False)):
        threads.append(threading.Thread(target=enter, args=(name, alone)))
        threads[-1].start()
        time.sleep(0.05)
    assert order == ["first"]
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "alone", "late"]
