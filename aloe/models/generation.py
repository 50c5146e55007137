"""Generating for many callers at once with one transformers model.

A step of a small model takes a GPU as long for one reply as for a few hundred, so requests that
arrive during a generation wait for it and are then batched. Each keeps its own length, temperature
and seed: a seed draws one number per token, and that number picks the token by its place in the
distribution, so the rest of the batch does not matter. Only rounding differs, as with any server
that batches.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers

REPLIES = 256
"""Most replies written at a time."""

SCORED = 256
"""Most tokens at a time whose scores are kept: a row of the vocabulary for each, in fp32."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A reply that is asked for."""

    prompt: tuple[int, ...]
    """Token ids."""
    max_tokens: int
    temperature: float
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0: all tokens."""
    penalty: float = 0.0
    """Taken off a token's logit for each time it was already written."""
    own: bool = False
    """Whether what else the model's generation settings say of the scores holds, such as a
    repetition penalty."""
    seed: int | None = None
    """None: another draw each time."""
    stop: tuple[str, ...] = ()
    """The reply ends where one of these was written; that is left in it."""
    logprobs: int | None = None
    """How many alternatives to each token are asked for; None: the scores are not wanted."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A reply."""

    ids: tuple[int, ...]
    """Token ids; the last is an end token unless the reply was cut or stopped."""
    logits: tuple[torch.Tensor, ...] = ()
    """Of each token, over the vocabulary and before anything was done to them, if wanted."""


class BatchWriter:
    """A thread that writes what is asked of one model, and everything that waits at once."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self.settings = model.generation_config
        """The model's own."""
        ends = self.settings.eos_token_id
        known = [*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id]
        self.ends = frozenset(each for each in known if each is not None)
        """Ids of the tokens that end a reply."""
        self._waiting: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="generation", daemon=True).start()

    def ask(self, request: Request) -> "Future[Written]":
        """Ask for a reply; the future fails with what generation raised."""
        asked = _Asked(request)
        self._waiting.put(asked)
        return asked.future

    def _work(self) -> None:
        held: list[_Asked] = []
        while True:
            held += self._arrived(wait=not held)
            batch, held = _together(held)
            batch = [each for each in batch if each.future.set_running_or_notify_cancel()]
            try:
                replies = self._written([each.request for each in batch])
            except Exception as error:  # whatever it is, it belongs to those who asked
                for each in batch:
                    each.future.set_exception(error)
                continue
            for each, reply in zip(batch, replies, strict=True):
                each.future.set_result(reply)

    def _arrived(self, *, wait: bool) -> list["_Asked"]:
        found = [self._waiting.get()] if wait else []
        while not self._waiting.empty():
            found.append(self._waiting.get())
        return found

    def _written(self, requests: Sequence[Request]) -> list[Written]:
        """Write replies together, or in halves where the memory does not hold all."""
        if not requests:
            return []
        try:
            return self._generated(requests)
        except torch.OutOfMemoryError:
            if len(requests) == 1:
                raise
        half = len(requests) // 2
        return self._written(requests[:half]) + self._written(requests[half:])

    def _generated(self, requests: Sequence[Request]) -> list[Written]:
        device = self._model.device
        width = max(len(each.prompt) for each in requests)
        pad = self._tokenizer.pad_token_id
        pad = min(self.ends, default=0) if pad is None else pad  # masked: any token will do
        rows = [[pad] * (width - len(each.prompt)) + list(each.prompt) for each in requests]
        mask = [[0] * (width - len(each.prompt)) + [1] * len(each.prompt) for each in requests]
        scored = requests[0].logprobs is not None
        ending = Ending(requests, width, self.ends, self._tokenizer, device)
        with torch.inference_mode(), self._set_to(requests[0]):
            output = self._model.generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(mask, device=device),
                max_new_tokens=max(each.max_tokens for each in requests),
                do_sample=False,  # `Drawing` leaves one token to choose
                logits_processor=transformers.LogitsProcessorList(
                    [Drawing(requests, width, device)]
                ),
                stopping_criteria=transformers.StoppingCriteriaList([ending]),
                pad_token_id=pad,
                eos_token_id=sorted(self.ends) or None,
                output_logits=scored,
                return_dict_in_generate=True,
            )
        lines = output.sequences[:, width:].tolist()
        steps = output.logits if scored else ()
        return [
            Written(ids=tuple(line[:length]), logits=tuple(step[row] for step in steps[:length]))
            for row, (line, length) in enumerate(zip(lines, ending.lengths.tolist(), strict=True))
        ]

    @contextmanager
    def _set_to(self, request: Request) -> Iterator[None]:
        """Take the model's own settings from it, which it adds to what it is given."""
        if not request.own:
            self._model.generation_config = transformers.GenerationConfig()
        try:
            yield
        finally:
            self._model.generation_config = self.settings


@dataclass(frozen=True)
class _Asked:
    request: Request
    future: "Future[Written]" = field(default_factory=Future)


def _together(waiting: Sequence[_Asked]) -> tuple[list[_Asked], list[_Asked]]:
    """Return what is written next, the first and what is like it, and the others."""
    first = waiting[0].request
    room = REPLIES if first.logprobs is None else max(1, SCORED // first.max_tokens)
    batch: list[_Asked] = []
    others: list[_Asked] = []
    for each in waiting:
        alike = _kind(each.request) == _kind(first) and each.request.max_tokens <= first.max_tokens
        (batch if alike and len(batch) < room else others).append(each)
    return batch, others


def _kind(request: Request) -> tuple[tuple[str, ...], bool, bool]:
    return request.stop, request.logprobs is not None, request.own


class Drawing(transformers.LogitsProcessor):  # type: ignore[misc]
    """Draws each reply's next token by its own settings and leaves the others no chance."""

    def __init__(self, requests: Sequence[Request], width: int, device: Any) -> None:
        self._width = width
        steps = max(each.max_tokens for each in requests)
        self._draws = torch.stack([_draws(each.seed, steps) for each in requests]).to(device)
        self._temperature = _column((each.temperature for each in requests), device)
        self._top_p = _column(
            (each.top_p if each.top_p < 1 else torch.inf for each in requests), device
        )
        self._top_k = _column((each.top_k or torch.inf for each in requests), device)
        self._truncated = any(each.top_p < 1 or each.top_k for each in requests)
        self._penalty = _column((each.penalty for each in requests), device)
        self._penalized = any(each.penalty for each in requests)
        self._random = any(each.temperature for each in requests)

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores of the vocabulary for each reply: 0 for what was drawn, else -inf."""
        written = ids[:, self._width :]
        scores = scores.float()
        if self._penalized:
            scores = scores.scatter_add(1, written, -self._penalty.expand(written.shape))
        chosen = scores.argmax(-1, keepdim=True)
        if self._random:
            drawn = self._drawn(scores, self._draws[:, written.shape[1], None])
            chosen = torch.where(self._temperature > 0, drawn, chosen)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)

    def _drawn(self, scores: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
        """Return the token with which the sum over the vocabulary reaches the drawn share.

        The share is never 0, so no token without a chance is drawn.
        """
        heat = self._temperature.masked_fill(self._temperature == 0, 1)
        likely = (scores / heat).softmax(-1)
        if self._truncated:
            likely = likely * self._kept(likely)
        reached = likely.cumsum(-1)
        return torch.searchsorted(reached, (1 - draw) * reached[:, -1:])

    def _kept(self, likely: torch.Tensor) -> torch.Tensor:
        """Return for each token whether top_p and top_k leave it.

        To sort takes a CPU as long as a step of a small model, so it is not done if all are left.
        """
        ranked, tokens = likely.sort(-1, descending=True)
        rank = torch.arange(ranked.shape[1], device=ranked.device)
        inside = (ranked.cumsum(-1) - ranked < self._top_p) & (rank < self._top_k) | (rank == 0)
        return torch.empty_like(inside).scatter_(1, tokens, inside)


class Ending(transformers.StoppingCriteria):  # type: ignore[misc]
    """Ends each reply for itself, and notes how long it became."""

    def __init__(
        self,
        requests: Sequence[Request],
        width: int,
        ends: Iterable[int],
        tokenizer: Any,
        device: Any,
    ) -> None:
        self._width = width
        self._most = torch.tensor([each.max_tokens for each in requests], device=device)
        self._ends = torch.tensor(sorted(ends), dtype=torch.long, device=device)
        stop = list(requests[0].stop)
        self._stopped = transformers.StopStringCriteria(tokenizer, stop) if stop else None
        self.lengths = torch.zeros_like(self._most)
        """In tokens; 0 as long as a reply goes on."""

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Return for each reply whether it has ended."""
        written = ids.shape[1] - self._width
        ended = (written >= self._most) | torch.isin(ids[:, -1], self._ends)
        if self._stopped:
            ended |= self._stopped(ids, scores)
        self.lengths = torch.where((self.lengths == 0) & ended, written, self.lengths)
        return self.lengths > 0


def _draws(seed: int | None, steps: int) -> torch.Tensor:
    """Return a number in [0, 1) for each token."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return torch.rand(steps, generator=generator)


def _column(values: Iterable[float], device: Any) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.float32, device=device)[:, None]
