"""Many clients at once: turns on the model, leaving, and stopping."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from api_server import AUDIO, Server, bundles, collected, problem, server, small, wait_for, wav
from conftest import SPOKEN_TEXTS

from pipelines.web import served
from pipelines.web.turns import Turns

__all__ = ["bundles", "collected", "server", "small"]  # fixtures
# The web server leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def occupy(turns: Turns, until: threading.Event) -> None:
    """Gives the model work that lasts until then, and returns when it runs."""
    began = threading.Event()
    turns.ask("somebody", lambda: (began.set(), until.wait(10)))
    assert began.wait(10)


def test_clients_take_turns() -> None:
    turns, done, begin = Turns(), list[str](), threading.Event()
    turns.ask("first", lambda: begin.wait(10))
    wait_for(lambda: len(turns) == 0)
    futures = [
        turns.ask(client, lambda name=f"{client}{number}": done.append(name))
        for client, number in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1)]
    ]
    assert futures[1].cancel() and len(turns) == 5
    begin.set()
    for future in futures[:1] + futures[2:]:
        future.result(10)
    # a2 was taken back, but it was a's turn.
    assert done == ["a1", "b1", "c1", "b2", "a3"]
    turns.close()


def test_one_client_leaves_room_for_another() -> None:
    turns, begin = Turns(together=3), threading.Event()
    started = list[str]()

    def work(name: str) -> None:
        started.append(name)
        assert begin.wait(10)

    futures = [turns.ask("a", lambda number=number: work(f"a{number}")) for number in range(4)]
    wait_for(lambda: len(started) == 2)
    assert sorted(started) == ["a0", "a1"] and len(turns) == 2
    futures.append(turns.ask("b", lambda: work("b")))
    wait_for(lambda: len(started) == 3)
    assert started[2] == "b"  # though two of a's came before it
    begin.set()
    for future in futures:
        future.result(10)
    assert sorted(started) == ["a0", "a1", "a2", "a3", "b"]
    turns.close()


def test_a_full_queue_and_a_closed_one_are_told() -> None:
    turns, begin = Turns(1), threading.Event()
    turns.ask("a", lambda: begin.wait(10))
    wait_for(lambda: len(turns) == 0)
    waiting = turns.ask("a", lambda: None)
    with pytest.raises(served.RefusalError, match="1 requests are waiting already"):
        turns.ask("b", lambda: None)
    turns.close()
    assert waiting.cancelled()
    with pytest.raises(served.RefusalError, match="is stopping"):
        turns.ask("a", lambda: None)
    begin.set()


def test_a_client_that_leaves_makes_room(small: Callable[..., Server]) -> None:
    turns, begin = Turns(), threading.Event()
    server = small(turns=turns)
    occupy(turns, begin)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.address + AUDIO, files={"file": wav()}, timeout=0.3)
    wait_for(lambda: len(turns) == 0 and not server.left())
    begin.set()
    wait_for(lambda: bool(server.log))
    assert server.log[0]["status"] == 499


def test_stopping_finishes_what_runs_and_refuses_what_comes(small: Callable[..., Server]) -> None:
    turns, begin = Turns(), threading.Event()
    server = small(turns=turns)
    occupy(turns, begin)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(server.post, AUDIO, wav())
        wait_for(lambda: len(turns) == 1)
        assert not server.gate.drain(0.05)
        assert "stopping" in problem(server.post(AUDIO, wav()), 503)
        assert server.get("/health").json() == {"status": "stopping"}
        begin.set()
        assert running.result(10).json()["text"] == SPOKEN_TEXTS[0]
        assert server.gate.drain(5)


def test_several_clients_at_once_get_their_own_text(server: Server) -> None:
    texts = [SPOKEN_TEXTS[number % len(SPOKEN_TEXTS)] for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda text: server.post(AUDIO, wav(text)).json()["text"], texts))
    assert answers == texts
    assert server.left() == []
