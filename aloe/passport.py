"""The judge passport: what a judge gets right and wrong, as a file beside its labels.

Labels are only as good as the judge. The passport records how a judge did on pairs whose better
reply is known: how often it is right, how often the order of the replies alone changes its choice,
whether it favours the first place, length or its own words, and how often it is unreadable. It goes
with the run and every dataset made from it, and turns a verdict's margin into a confidence.

Calibration has one number. Swapping two replies must turn a confidence p into 1 - p, which leaves a
logistic curve no intercept: P(the preferred reply is better) = 1 / (1 + exp(-slope * |margin|)),
0.5 without any margin. A slope is never negative: the worst judge is one whose margins carry no
information.
"""

from math import exp
from pathlib import Path

from pydantic import Field, ValidationError

from aloe.errors import InputError
from aloe.files.records import describe
from aloe.number_format import format_number
from aloe.schema import Record, Verdict, digest

PASSPORT_VERSION = 1


Calibration = tuple[float | None, float | None]
"""A slope, and an accuracy for where there are no margins."""


class Share(Record):
    """A share of `count` cases with its 95% interval."""

    value: float | None
    """Within 0..1; None where there are no cases."""
    low: float
    high: float
    count: int

    @property
    def text(self) -> str:
        """Value, interval and number of cases as a person reads them."""
        if self.value is None:
            return "no cases"
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%}) of {self.count}"


class Effect(Record):
    """A difference of two shares, within -1..1, with its 95% interval."""

    value: float | None
    """0 is no effect; None where there are no cases."""
    low: float
    high: float
    count: int

    @property
    def text(self) -> str:
        """Value, interval and number of cases as a person reads them."""
        if self.value is None:
            return "no cases"
        value, low, high = (format_number(n, "{:+.0%}") for n in (self.value, self.low, self.high))
        return f"{value} ({low} to {high}) of {self.count}"


class Threshold(Record):
    """What a smallest margin would do to the labels."""

    min_margin: float
    """In nats; smaller margins would be abstentions."""
    coverage: float
    """Share of the pairs that would get a label."""
    accuracy: float | None
    """Share of those labels that would be right; None if there are none."""


class JudgeIdentity(Record):
    """What makes a judge: change any of it and the passport is another judge's."""

    models: tuple[str, ...]
    """Model string of each judge that votes, with the model that a chat class's options name."""
    prompts: dict[str, str]
    """Content hash of each prompt in use, by its name."""
    criteria: dict[str, float]
    """Weight of each criterion; empty for the single question."""
    min_margin: float
    """Smallest margin that is a preference, in nats."""
    min_mass: float | None = None
    """Smallest probability of an answer from which its odds are read; None of a judge from before
    that was looked at, which took any."""

    weights: dict[str, str] = Field(default_factory=dict, exclude_if=lambda weights: not weights)
    """Hash of the files of each model that was on the machine, by model string without options;
    empty also of a judge from before they were kept."""

    code: dict[str, str] = Field(default_factory=dict, exclude_if=lambda code: not code)
    """Hash of the source of a judge of one's own, by what settings call it, and of the files that
    its options name, by path; empty of other judges, and of one from before they were kept."""

    @property
    def id(self) -> str:
        """Content hash."""
        return digest(self.model_dump(mode="json"))


class PeopleAgreement(Record):
    """How the judge's verdicts compare with what people said about the same pairs, blind."""

    raters: int
    labels: int
    """Labels given, skips not counted; a pair counts once for each of its raters."""
    agreement: Share
    """Same reply preferred, among labels where both the person and the judge prefer one."""
    kappa: float | None
    """Cohen's, over all labels; an abstention of the judge agrees with none."""
    alpha: float | None
    """Krippendorff's, judge and people together; an abstention counts as missing."""
    between: float | None
    """Krippendorff's among the people alone; None with a single one."""


class PeopleChoices(Record):
    """The people whose choices a judge was held against."""

    people: int
    choices: int
    """Choices that count: a pair counts once for each person who judged it."""
    left_out: int = 0
    """Pairs without a reply that most people prefer, about which the judge was not asked."""
    agreement: Share | None = None
    """How often the judge prefers the reply that a single person prefers, where both prefer one."""
    ceiling: Share
    """How often two people who judged the same pair prefer the same reply, where both prefer one;
    over all pairs, those left out as well. Earlier versions left them out here, too."""
    alpha: float | None = None
    """Krippendorff's among them, over all pairs; None where nobody judged what another did."""

    def summary(self) -> dict[str, str]:
        """Return the figures for a reader of a card, as text, by name."""
        return {
            "agrees with one person": self.agreement.text if self.agreement else "-",
            "two people agree": self.ceiling.text,
            "pairs left out, no majority": str(self.left_out),
        }


class Passport(Record):
    """How one judge did on pairs whose better reply is known."""

    passport_version: int = PASSPORT_VERSION
    judge: JudgeIdentity
    gold: str
    """Content hash of the gold pairs it was asked about."""
    pairs: int
    """How many pairs it was asked about."""
    outcomes: dict[str, int]
    """Pairs by what became of them: right, wrong, tie, abstain."""
    accuracy: Share
    """Right among the pairs that it decided."""
    coverage: Share
    """Decided among all pairs."""
    by_kind: dict[str, Share]
    """`accuracy` by kind of pair."""
    mirrored: Share
    """Mirrored couples (same replies, other persona or history, labels turned round) with both
    labels right, among those with both decided; a judge that does not read who asks gets none."""
    flips: Share
    """Pairs in which the two orders, each alone, choose different replies."""
    first_slot: Share
    """Readable votes for the reply that was shown first; 0.5 is no position bias."""
    unreadable: Share
    """Votes that could not be read."""
    mass: float | None = None
    """Probability within 0..1 that an answer begins with A, B or TIE, averaged over the votes with
    log-probabilities; None where there are none."""
    odds: Share | None = None
    """Votes read from log-probabilities; the others are text. None if that was not recorded."""
    length_effect: Effect
    """How much more often the longer reply is chosen than it is the better one."""
    self_preference: Effect | None = None
    """How much more often the better reply loses to the judge's own than to the worse reply of
    the pair; None if it was not asked to write any."""
    kappa: float | None
    """Cohen's, against the labels; an abstention agrees with none."""
    alpha: float | None
    """Krippendorff's, against the labels; an abstention counts as missing."""
    slope: float | None = Field(ge=0)
    """Of the calibration, per nat; None for a judge without margins."""
    brier: float | None
    """Mean squared error of the confidences, out of sample; 0.25 is a coin's."""
    thresholds: tuple[Threshold, ...] = ()
    """Accuracy and coverage at rising margins; empty for a judge without margins."""
    people: PeopleAgreement | None = None
    """Agreement with people on pairs of the run beside it; None if nobody labelled any."""
    choices: PeopleChoices | None = Field(default=None, exclude_if=lambda choices: choices is None)
    """Whose choices the pairs' labels are; None of pairs that were constructed."""

    @property
    def against(self) -> str:
        """What the judge was held against, in words."""
        if self.choices is None:
            return "against constructed pairs"
        one = self.choices.people == 1
        return (
            "against one person's choices"
            if one
            else f"against {self.choices.people} people's choices"
        )

    def summary(self) -> dict[str, str]:
        """Return the figures that a reader of a card needs, as text, by name."""
        shares: dict[str, Share | Effect] = {
            "accuracy where it decides": self.accuracy,
            "decided": self.coverage,
            "mirrored couples both right": self.mirrored,
            "flips with the order": self.flips,
            "votes for the first shown": self.first_slot,
            "unreadable votes": self.unreadable,
            "length bias": self.length_effect,
        }
        return {
            "judge": " + ".join(self.judge.models),
            "gold pairs": f"{self.pairs}, {self.against}",
            **(self.choices.summary() if self.choices else {}),
            **{name: share.text for name, share in shares.items()},
            **({"probability of an answer": f"{self.mass:.0%}"} if self.mass is not None else {}),
            **({"votes read as odds": self.odds.text} if self.odds else {}),
            "kappa with the labels": format_number(self.kappa, "{:.2f}"),
            **({"agrees with people": self.people.agreement.text} if self.people else {}),
        }

    @property
    def calibration(self) -> Calibration:
        """All that `confidence` goes by: the slope, and the accuracy where there are no margins."""
        return self.slope, self.accuracy.value

    def json_text(self) -> str:
        """Return the passport as a file holds it."""
        return self.model_dump_json(indent=2) + "\n"

    def confidence(self, verdict: Verdict) -> float | None:
        """Return the probability, within 0.5..1, that the preferred reply is the better one.

        None without a preference. Without margins it is the judge's accuracy, whatever the pair.
        """
        if verdict.preferred is None:
            return None
        if verdict.margin is None or self.slope is None:
            return max(0.5, self.accuracy.value or 0.5)
        return 1 / (1 + exp(-self.slope * abs(verdict.margin)))


def read_passport(path: Path) -> Passport:
    """Read a passport beside the verdicts that it lies with.

    Raises:
        InputError: the file is missing or is no passport.
    """
    try:
        return Passport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    except ValidationError as error:
        raise InputError(path, describe(error, "not a judge passport")) from None


def read_audit(path: Path) -> Passport:
    """Read a passport for other verdicts than those it lies beside, about which people spoke.

    Raises:
        InputError: the file is missing or is no passport.
    """
    return read_passport(path).model_copy(update={"people": None})
