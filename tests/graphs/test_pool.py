import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from bags import BagOfWords

from aloe.agents.writer import Writer
from aloe.config import Config, PersonasConfig
from aloe.errors import AloeError, CallError, ConfigError, ModelError, TransientCallError
from aloe.graphs.growth import open_growth
from aloe.graphs.pool import GrowthProgress, PoolContext, expand, grow_pool
from aloe.memory.axes import KINDS, MIX, Axes, Kind
from aloe.memory.composition import Composer
from aloe.memory.descriptions import Description, read_seeds
from aloe.memory.personas import read_personas
from aloe.memory.pool.files import PoolFiles
from aloe.memory.pool.growth import GrowthLog, read_growth, read_waiting, write_waiting
from aloe.memory.pool.open import open_pool
from aloe.memory.pool.report import find_duplicates, gather_vectors, measure_coverage
from aloe.memory.validation import find_custom_reasons
from aloe.schema import Lineage, Persona, digest


def grow(
    path: Path, writer: Writer, *, seed: int = 0, threshold: float = 0.8, **settings: object
) -> tuple[str, GrowthLog]:
    config = PersonasConfig.model_validate({"threshold": threshold, "batch": 8, **settings})
    seeds = read_seeds(None)
    texts = {kind: [each.text for each in given] for kind, given in seeds.items()}
    with open_pool(path, config, BagOfWords(), seeds=texts) as pool:
        log = GrowthLog(PoolFiles(path).growth, config.window)
        context = PoolContext(
            pool=pool,
            writer=writer,
            seeds=seeds,
            log=log,
            config=config,
            seed=seed,
            progress=GrowthProgress(target=config.target, found=len(pool), size=len(pool)),
        )
        return asyncio.run(grow_pool(context)), log


class Fixed:
    """Writes what it is told, by kind; the texts come round again."""

    def __init__(self, texts: dict[Kind, Sequence[str]]) -> None:
        self.texts = texts
        self.calls: Counter[Kind] = Counter()

    async def write(
        self, kind: Kind, axes: Axes, examples: Sequence[Description], seed: int
    ) -> Description:
        text = self.texts[kind][self.calls[kind] % len(self.texts[kind])]
        self.calls[kind] += 1
        return Description(kind=kind, text=text, axes={}, lineage=Lineage(origin="grown"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "personas.jsonl"


def test_a_pool_grows_to_its_target_and_holds_no_near_copies(path: Path) -> None:
    ended, log = grow(path, Composer(), target=40)
    people = read_personas(path)
    assert (ended, len(people)) == ("target", 40)
    assert len({p.profile for p in people}) == len({p.personality for p in people}) == 40
    assert find_duplicates(people, gather_vectors(people, BagOfWords(), {}), 0.8) == []
    assert log.accepted >= 80
    nearest = [origin.nearest for p in people for origin in p.lineage.values()]
    assert all(near is not None and near < 0.8 for near in nearest)


def test_the_same_seed_grows_the_same_pool(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.jsonl" for n in "abc"]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        grow(path, Composer(), seed=seed, target=12)
    one, same, other = (path.read_text() for path in paths)
    assert one == same != other


def test_growing_on_adds_and_changes_nothing(path: Path) -> None:
    grow(path, Composer(), target=10)
    before = path.read_text()
    numbers = {o.number for o in read_growth(PoolFiles(path).growth)}
    ended, _ = grow(path, Composer(), target=25)
    assert path.read_text().startswith(before)
    assert (ended, len(read_personas(path))) == ("target", 25)
    outcomes = list(read_growth(PoolFiles(path).growth))
    assert len({o.number for o in outcomes}) == len(outcomes) > len(numbers)
    ended, _ = grow(path, Composer(), target=25)
    assert (ended, len(read_personas(path))) == ("target", 25)


def test_what_was_accepted_without_a_mate_is_taken_up_by_the_next_growth(path: Path) -> None:
    for target in (5, 9, 16):
        _, log = grow(path, Composer(), target=target, batch=16)
        waiting = read_waiting(PoolFiles(path).waiting)
        assert log.accepted == 2 * target + len(waiting)
        assert waiting
    people = read_personas(path)
    used = {text for each in people for text in (each.profile, each.personality)}
    assert not used & {each.text for each in waiting}
    assert all(set(each.lineage) == {"profile", "personality"} for each in people)
    assert find_duplicates(people, gather_vectors(people, BagOfWords(), {}), 0.8) == []


def test_after_a_kill_nobody_is_made_twice_of_what_waited(path: Path) -> None:
    grow(path, Composer(), target=5, batch=16)
    people, file = read_personas(path), PoolFiles(path).waiting
    waiting = read_waiting(file)
    again = [
        Description(kind=kind, text=getattr(each, kind), axes={}, lineage=each.lineage[kind])
        for each in people
        for kind in KINDS
    ]
    write_waiting(file, [*again, *waiting])  # as it was before the last round put them into people
    grow(path, Composer(), target=9, batch=16)
    assert len({each.profile for each in read_personas(path)}) == 9
    assert not {each.text for each in again} & {each.text for each in read_waiting(file)}


def test_a_writer_that_repeats_itself_saturates_the_pool(path: Path) -> None:
    writer = Fixed(
        {
            "profile": ["I am 30. I keep bees in Crete. I want to sell honey in the city."],
            "personality": ["I like short replies. I talk in scraps and never in long sentences."],
        }
    )
    ended, log = grow(path, writer, target=5, window=20, min_acceptance=0.2)
    assert ended == "saturated"
    assert len(read_personas(path)) == 1
    assert log.refusals["duplicate"] >= 15


class Apart:
    """Writes profiles of women and personalities of men, each anew."""

    def __init__(self, every: int = 0) -> None:
        self.calls = 0
        self.every = every
        """After how many candidates one fits; 0: none does."""

    async def write(
        self, kind: Kind, axes: Axes, examples: Sequence[Description], seed: int
    ) -> Description:
        self.calls += 1
        a, b, c, d, e, f = (f"{word}{self.calls}" for word in ("zo", "be", "ka", "du", "pi", "ro"))
        fits = self.every and self.calls % self.every == 0
        she, her = ("She", "Her") if kind == "profile" or fits else ("He", "His")
        doing = "keeps {a} goats near {b}" if kind == "profile" else "likes {a} stories, {b} first"
        text = f"{she} {doing.format(a=a, b=b)}. {her} {c} is {d}. {she} wants {e} with {f}."
        return Description(kind=kind, text=text, axes={}, lineage=Lineage(origin="grown"))


def test_growth_ends_where_what_waits_never_fits(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = Counter[tuple[str, str]]()

    def find_conflicts(profile: str, personality: str) -> tuple[str, ...]:
        looked_at[profile, personality] += 1
        return ("pronouns",)

    monkeypatch.setattr("aloe.memory.pool.pairing.find_conflicts", find_conflicts)
    monkeypatch.setattr("aloe.graphs.pool.name_conflicts", lambda *_: ["pronouns"])
    for again in (0, 1):
        looked_at.clear()
        writer = Apart()
        writer.calls = 1000 * again
        ended, log = grow(path, writer, target=3, window=24)
        assert (ended, writer.calls - 1000 * again) == ("unmatched", 24)
        assert set(looked_at.values()) == {1}, "no pair is looked at in a second round"
    assert log.accepted == len(read_waiting(PoolFiles(path).waiting)) > 20
    assert not path.exists()


def test_growth_goes_on_as_long_as_now_and_then_one_fits(path: Path) -> None:
    ended, log = grow(path, Apart(every=14), target=3, window=24)
    assert (ended, len(read_personas(path))) == ("target", 3)
    assert log.judged > 24


def test_unsound_candidates_never_reach_the_gate(path: Path) -> None:
    good = Composer()

    class Sloppy(Composer):
        async def write(
            self, kind: Kind, axes: Axes, examples: Sequence[Description], seed: int
        ) -> Description:
            made = await good.write(kind, axes, examples, seed)
            spoiled = "Sure, here is one. " + made.text if seed % 3 == 0 else made.text
            return Description(kind=kind, text=spoiled, axes=made.axes, lineage=made.lineage)

    _, log = grow(path, Sloppy(), target=10)
    assert log.refusals["preamble"] > 3
    assert not any("Sure" in p.profile + p.personality for p in read_personas(path))
    refused = [o for o in read_growth(PoolFiles(path).growth) if "preamble" in o.reasons]
    assert all(o.text and o.similarity is None for o in refused)


def test_pairs_that_contradict_each_other_are_not_joined(path: Path) -> None:
    single = "I have never been married."
    boats = [f"I am {n}. {single} I own boat {n * 'x'}." for n in range(20, 60)]
    birds = [f"I talk like a {n * 'y'} bird. I shout {n * 'z'} now and then." for n in range(3, 30)]
    wife = "I ask my wife before I answer. I talk a lot about food."
    grow(path, Fixed({"profile": boats, "personality": [wife, *birds]}), target=6, threshold=0.97)
    assert len(read_personas(path)) == 6
    assert not any("wife" in p.personality for p in read_personas(path))


def test_a_call_that_fails_for_good_costs_one_candidate(
    path: Path,
) -> None:
    class Failing(Composer):
        calls = 0

        async def write(
            self, kind: Kind, axes: Axes, examples: Sequence[Description], seed: int
        ) -> Description:
            Failing.calls += 1
            if Failing.calls % 4 == 0:
                raise CallError("no")
            return await super().write(kind, axes, examples, seed)

    ended, log = grow(path, Failing(), target=6)
    assert ended == "target"
    assert log.refusals["call_failed"] >= 2


@pytest.mark.parametrize("failure", [ModelError, TransientCallError])
def test_what_fails_for_all_stops_the_growth_and_keeps_what_there_is(
    path: Path, failure: type[AloeError]
) -> None:
    class Dying(Composer):
        calls = 0

        async def write(
            self, kind: Kind, axes: Axes, examples: Sequence[Description], seed: int
        ) -> Description:
            Dying.calls += 1
            if Dying.calls > 30:
                raise failure("the server is gone")
            return await super().write(kind, axes, examples, seed)

    with pytest.raises(failure, match="the server is gone"):
        grow(path, Dying(), target=50)
    assert 5 < len(read_personas(path)) < 50


def test_growth_fills_what_is_thin(path: Path) -> None:
    """A pool of nothing but young people is filled up with older ones."""
    young = [
        Persona.of(f"I am 20. I own ship {n * 'q'}.", f"I say {n * 'w'}.", axes={"age": 20})
        for n in range(1, 31)
    ]
    path.write_text("".join(p.model_dump_json() + "\n" for p in young))
    grow(path, Composer(), target=130)
    shares = {
        cell.value: cell.share
        for cell in measure_coverage(read_personas(path))
        if cell.axis == "age"
    }
    assert shares["16-24"] == pytest.approx(30 / 130, abs=0.03)
    for band in ("25-39", "40-59", "60-74"):
        assert shares[band] > MIX["profile"]["age"][band] * 0.8


def test_every_fact_is_kept_with_its_id(path: Path) -> None:
    grow(path, Composer(), target=3)
    for persona in read_personas(path):
        assert [fact.id for fact in persona.facts] == [digest(fact.text) for fact in persona.facts]
        assert (
            " ".join(fact.text for fact in persona.facts)
            == f"{persona.profile} {persona.personality}"
        )


def test_rules_of_ones_own_refuse_what_ours_let_through(path: Path) -> None:
    seen: list[Description] = []

    def no_tea(description: Description) -> str | None:
        seen.append(description)
        return (
            "drinks_tea" if description.kind == "profile" and " the " in description.text else None
        )

    config = PersonasConfig(target=6, threshold=0.8, batch=8)
    seeds = read_seeds(None)
    texts = {kind: [each.text for each in given] for kind, given in seeds.items()}
    with open_pool(path, config, BagOfWords(), seeds=texts) as pool:
        log = GrowthLog(PoolFiles(path).growth, config.window)
        context = PoolContext(
            pool=pool,
            writer=Composer(),
            seeds=seeds,
            log=log,
            config=config,
            seed=0,
            progress=GrowthProgress(target=6, found=0, size=0),
            validators={"own:no_tea": no_tea},
        )
        assert asyncio.run(grow_pool(context)) == "target"
    assert not any(" the " in persona.profile for persona in read_personas(path))
    refused = [o for o in read_growth(PoolFiles(path).growth) if "drinks_tea" in o.reasons]
    assert refused
    assert all(o.reasons == ("drinks_tea",) and " the " in (o.text or "") for o in refused)
    with pytest.raises(
        ConfigError, match=r"validator 'mine' failed: .*test_pool\.py:\d+: KeyError"
    ):
        find_custom_reasons(seen[0], {"mine": lambda _: {}["x"]})


@pytest.mark.parametrize(("given", "batch"), [({}, 64), ({"batch": 4}, 4), ({"batch": 9}, 9)])
def test_composing_has_larger_rounds_unless_settings_name_a_number(
    tmp_path: Path, given: dict[str, int], batch: int
) -> None:
    personas = {"embedder": "scripted:bags:BagOfWords", "target": 200, **given}
    changed = Config().updated({"personas": personas}, source="test")
    with open_growth(changed, tmp_path / "p.jsonl", compose=True) as growth:
        planned = expand({"waiting": []}, SimpleNamespace(context=growth.context))  # type: ignore[arg-type, typeddict-item]
    assert len(planned["tasks"]) == batch
