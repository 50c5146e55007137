"""Who judges whom: rules the personas whose wishes a program can check, unless settings say else.

It is said before a run, for a judge that settings name may be left with few personas, or none.
"""

from collections.abc import Sequence

from aloe.config import Config
from aloe.models.model_string import ModelString
from aloe.number_format import counted
from aloe.schema import Persona


def judged_by_rule(persona: Persona, config: Config) -> bool:
    """Whether rules judge the replies to a persona: if a program can check its wishes."""
    return config.rules_judge and bool(persona.preferences)


def describe_judges(config: Config, personas: Sequence[Persona]) -> str | None:
    """Say whom rules judge and who judges the others; None if rules judge nobody."""
    ruled = {each.id: judged_by_rule(each, config) for each in personas}
    if not (by_rule := sum(ruled.values())):
        return None
    found, judge = f"{by_rule} of {counted(len(ruled), 'persona')}", name_judge(config)
    if by_rule < len(ruled):
        return f"rules judge {found}, {judge} the others"
    return f"rules judge {found}; judge.rules = false leaves them to {judge}"


def name_judge(config: Config) -> str:
    """Return who judges where rules do not."""
    judges = config.models.judges().values()
    models = (str(ModelString.parse(each.model, each.options)) for each in judges)
    return config.judge.use or " + ".join(models)
