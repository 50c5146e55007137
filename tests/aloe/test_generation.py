"""Replies written together are those written alone, and few steps are taken for many."""

import threading
from collections import Counter
from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import torch

from aloe.models.generation import SCORED, BatchWriter, Drawing, Request, Written

pytestmark = pytest.mark.train

TEXTS = ("Tell me about birds.", "The garden needs rain, and I like my answers short.", "What?")


def request(text: str = TEXTS[0], **settings: Any) -> Request:
    given = {"max_tokens": 8, "temperature": 1.0, "seed": 0, **settings}
    return Request(prompt=tuple(tiny.tokenizer()(text)["input_ids"]), **given)


MIXED = (
    request(TEXTS[0], seed=1),
    request(TEXTS[1], seed=2, max_tokens=3),
    request(TEXTS[2], temperature=0.0, max_tokens=6),
    request(TEXTS[1], seed=3, temperature=0.5, top_p=0.8, top_k=20),
    request(TEXTS[0], temperature=0.0, penalty=2.0),
)


class Watched:
    """A writer that can be held up, and that notes how many replies each generation was for."""

    def __init__(self) -> None:
        self.model = tiny.model().eval()
        self.writer = BatchWriter(self.model, tiny.tokenizer())
        self.sizes: list[int] = []
        self.most = 1000
        self._gate = threading.Event()
        self._generate = self.model.generate
        self.model.generate = self._watched

    def _watched(self, **arguments: Any) -> Any:
        self._gate.wait(timeout=60)
        rows = len(arguments["input_ids"])
        if rows > self.most:
            raise torch.OutOfMemoryError
        self.sizes.append(rows)
        return self._generate(**arguments)

    def together(self, *wanted: Request) -> list[Written]:
        """Ask for all while another reply is being written."""
        self._gate.clear()
        asked = [self.writer.ask(each) for each in (request(max_tokens=1), *wanted)]
        self._gate.set()
        replies = [each.result(timeout=60) for each in asked]
        self.sizes.remove(1)
        return replies[1:]

    def alone(self, wanted: Request) -> Written:
        self._gate.set()
        return self.writer.ask(wanted).result(timeout=60)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_company_changes_nothing(watched: Watched) -> None:
    apart = [watched.alone(each) for each in MIXED]
    assert watched.together(*MIXED) == apart
    assert len({each.ids for each in apart}) == len(MIXED)


def test_each_ends_at_its_own_most_tokens(watched: Watched) -> None:
    lengths = [len(each.ids) for each in watched.together(*MIXED)]
    assert lengths == [8, 3, 6, 8, 8]


def test_what_waits_is_written_in_one_go(watched: Watched) -> None:
    watched.together(*(request(seed=seed) for seed in range(40)))
    assert watched.sizes == [40]


def test_other_stop_strings_are_written_apart_and_end_a_reply(watched: Watched) -> None:
    whole = watched.alone(request(temperature=0.0)).ids
    tokenizer = tiny.tokenizer()
    stop = tokenizer.decode(whole[2:3])
    watched.sizes.clear()
    free, stopped, beside = watched.together(
        request(temperature=0.0),
        request(temperature=0.0, stop=(stop,)),
        request(TEXTS[1], stop=(stop,)),
    )
    assert watched.sizes == [1, 2]
    assert free.ids == whole
    assert stopped.ids == whole[:3]
    assert len(beside.ids) > 3


def test_scores_are_kept_only_where_they_are_wanted_and_for_few_tokens(watched: Watched) -> None:
    scored = [request(seed=seed, max_tokens=SCORED // 2, logprobs=3) for seed in range(3)]
    replies = watched.together(*scored, request())
    assert [len(each.logits) for each in replies] == [*(len(each.ids) for each in replies[:3]), 0]
    assert sorted(watched.sizes) == [1, 1, 2]


def test_what_does_not_fit_is_written_in_halves(watched: Watched) -> None:
    watched.most = 2
    apart = [watched.alone(each) for each in MIXED]
    watched.sizes.clear()
    assert watched.together(*MIXED) == apart
    assert max(watched.sizes) == 2
    watched.most = 0
    with pytest.raises(torch.OutOfMemoryError):
        watched.alone(MIXED[0])


def test_a_failure_is_that_of_those_who_asked(watched: Watched) -> None:
    with pytest.raises(IndexError):
        watched.alone(Request(prompt=(10**6,), max_tokens=2, temperature=0.0))
    assert len(watched.alone(MIXED[0]).ids) == 8


def test_who_no_longer_waits_is_not_written_for(watched: Watched) -> None:
    watched._gate.clear()
    first = watched.writer.ask(request(max_tokens=1))  # what is longer is not written with it
    asked = [watched.writer.ask(request(seed=seed)) for seed in range(4)]
    assert asked[2].cancel()
    watched._gate.set()
    assert len(first.result(timeout=60).ids) == 1
    assert [len(each.result(timeout=60).ids) for each in asked if not each.cancelled()] == [8] * 3
    assert watched.sizes == [1, 3]


def test_without_a_seed_each_draw_is_another(watched: Watched) -> None:
    drawn = watched.together(*(request(seed=None) for _ in range(5)))
    assert len({each.ids for each in drawn}) > 1


def drawn(scores: list[float], **settings: Any) -> Counter[int]:
    wanted = [request(seed=seed, max_tokens=1, **settings) for seed in range(4000)]
    drawing = Drawing(wanted, width=2, device="cpu")
    ids = torch.zeros(len(wanted), 2, dtype=torch.long)
    chosen = drawing(ids, torch.tensor([scores] * len(wanted))).argmax(-1)
    return Counter(chosen.tolist())


SCORES = [1.0, 3.0, 2.0, -1.0]


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-24])
def test_the_outermost_draws_find_a_token_that_has_a_chance(draw: float) -> None:
    drawing = Drawing([request(max_tokens=1, top_p=0.8)], width=2, device="cpu")
    drawing._draws.fill_(draw)
    chosen = drawing(torch.zeros(1, 2, dtype=torch.long), torch.tensor([SCORES])).argmax(-1)
    assert chosen.item() in {1, 2}


@pytest.mark.parametrize(
    ("settings", "heat", "kept"),
    [
        ({"temperature": 1.0}, 1.0, {0, 1, 2, 3}),
        ({"temperature": 2.0}, 2.0, {0, 1, 2, 3}),
        ({"temperature": 1.0, "top_p": 0.8}, 1.0, {1, 2}),  # 0.66 and 0.24
        ({"temperature": 1.0, "top_p": 0.01}, 1.0, {1}),
        ({"temperature": 2.0, "top_k": 3}, 2.0, {0, 1, 2}),
        ({"temperature": 0.0}, 1.0, {1}),
    ],
)
def test_tokens_are_drawn_as_often_as_they_are_likely(
    settings: dict[str, float], heat: float, kept: set[int]
) -> None:
    found = drawn(SCORES, **settings)
    assert set(found) == kept
    weights = {token: float(torch.tensor(SCORES[token] / heat).exp()) for token in kept}
    for token, weight in weights.items():
        share = weight / sum(weights.values())
        allowed = 4 * (share * (1 - share) / 4000) ** 0.5
        assert found[token] / 4000 == pytest.approx(share, abs=allowed + 1e-9)
