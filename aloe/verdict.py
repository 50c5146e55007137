"""The comparison of two sibling replies: what judges said, and what came of it."""

from typing import Literal

from pydantic import Field

from aloe.record import Record

Outcome = Literal["first", "second", "tie", "abstain"]

HUMAN = "human"
"""What trees call a person, as user and as judge; `human:NAME` where it is known which one."""


def is_human(name: str) -> bool:
    """Return whether an agent or a judge of this name is a person."""
    return name == HUMAN or name.startswith(f"{HUMAN}:")


class Vote(Record):
    """One judge, one order."""

    judge: str
    """Model string."""
    criterion: str | None = None
    """What was asked about; None for the reply as a whole."""
    order: Literal["first-second", "second-first"]
    """Which candidate was shown as A, then which as B."""
    raw: str
    """What the judge answered, untouched."""
    logprobs: tuple[float, float] | None = None
    """Natural-log probabilities of the answers A and B; None where the text was read: the server
    gives none, or `mass` is too small for an answer."""
    tie: float | None = Field(default=None, exclude_if=lambda tie: tie is None)
    """The same of TIE; None where it was not listed or not looked at."""
    unlisted: tuple[Literal["A", "B"], ...] = Field(
        default=(), exclude_if=lambda letters: not letters
    )
    """Letters that the server did not list: `logprobs` holds the most that theirs can be."""
    mass: float | None = Field(default=None, exclude_if=lambda mass: mass is None)
    """Probability within 0..1 that the answer begins with A, B or TIE; None where not known."""
    choice: Literal["first", "second", "tie"] | None
    """The candidate this vote alone prefers; None if the answer is unreadable."""


ROUNDING = 1e-9
"""Differences of returns up to this are none: sums of shares in another order are not equal bit by
bit."""
NOT_CONTINUED = "not continued"
"""The reason where one of two replies, or both, end the talk: there is no return to compare."""


class ReturnLabel(Record):
    """The comparison of two siblings by what came of them (`aloe.memory.returns`)."""

    outcome: Outcome
    """`abstain`: not told apart, or one of them was not continued as deep as the other."""
    reason: str | None = None
    """Why it abstains, such as `not continued`; None where it does not."""
    returns: tuple[float, float] | None = None
    """Returns of `first` and `second`, as levels are; None where they cannot be compared."""
    error: float | None = None
    """Standard error of the difference; None where there are too few branches to say."""
    levels: Literal["wishes", "rated", "siblings"]
    """What a return is made of: the share of wishes kept, given ratings, or the share of siblings
    that the judge ranks below."""
    horizon: int = Field(ge=1)
    """Turns that were looked at, the reply's own included."""
    discount: float = Field(ge=0, le=1)
    """Weight of each further turn, relative to the one before."""
    z: float = Field(ge=0)
    """Standard errors that a difference had to exceed."""
    question_cost: float = Field(default=0.0, ge=0, exclude_if=lambda cost: not cost)
    """What each question that brought nothing took off a level; left out of the file if 0."""

    @property
    def rule(self) -> str:
        """How far it looks and what counts, in words."""
        cost = f", question cost {self.question_cost:g}" if self.question_cost else ""
        return f"horizon {self.horizon}, discount {self.discount:g}, z {self.z:g}{cost}"

    @property
    def difference(self) -> float | None:
        """Return of `first` minus return of `second`; None where they cannot be compared."""
        return self.returns[0] - self.returns[1] if self.returns else None


class Verdict(Record):
    """The comparison of two sibling candidates."""

    node: str
    """User node whose children are compared."""
    first: str
    second: str
    votes: tuple[Vote, ...]
    """Empty if no judge was needed: the candidates are identical, or one is empty."""
    outcome: Outcome
    """`tie`: equally good. `abstain`: the votes do not allow a label."""
    margin: float | None = None
    """Log-odds for `first`, averaged over both orders so that position bias cancels, a tie counted
    half for either; None where the votes are parsed text or several judges'."""
    confidence: float | None = None
    """Probability within 0.5..1 that the preferred reply is the better one, by the judge's
    passport; None without a passport or a preference."""
    by_return: ReturnLabel | None = Field(default=None, exclude_if=lambda label: label is None)
    """The same comparison by what came of both; None where nobody has looked."""

    @property
    def preferred(self) -> str | None:
        """Id of the better candidate, None without one."""
        return {"first": self.first, "second": self.second}.get(self.outcome)

    @property
    def rejected(self) -> str | None:
        """Id of the worse candidate, None without one."""
        return {"first": self.second, "second": self.first}.get(self.outcome)
