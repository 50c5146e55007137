"""A second person joins the conversation: somebody beside the user, with their own persona.

    [roles.companion]
    use = "three_party:Companion"
    name = "Rui"
    who = "I am the user's son. I am 16. I find this too slow and want pictures."
    model = "openai:gpt-4o-mini"

Their words follow the user's in the same message. They join after the inducer, so what they say
about themselves is never mistaken for something the user revealed.
"""

from aloe.agents.roles import Exchange, RoleModel, Update
from aloe.agents.transcript import as_text


class Companion:
    """Adds a sentence to every second message of the user, the first one included."""

    after = "inducer"
    prompt = """
## system
You play {name}, who sits beside a user of an assistant and joins in. About {name}: {who}
Write the one short sentence that {name} adds, and nothing else.
## user
{talk}
User: {message}"""

    def __init__(self, name: str, who: str, every: int = 2) -> None:
        self.name, self.who, self.every = name, who, every

    async def __call__(self, exchange: Exchange, model: RoleModel) -> Update | None:
        if (exchange.turn - 1) % self.every:
            return None
        talk, message = as_text(exchange.path), exchange.user.content
        said = await model.ask(name=self.name, who=self.who, talk=talk, message=message)
        said = said.removeprefix(f"{self.name}:").strip()
        return Update(text=f"{message}\n\n{self.name}: {said}", note=said) if said else None
