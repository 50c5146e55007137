"""The rule as a reward."""

from aloe.benchmark.experiment.reward import wishes_kept
from aloe.memory.verifiable import demonstration, generate, satisfaction


def test_the_reward_is_what_the_judge_says() -> None:
    persona = generate(0)
    replies = [demonstration(persona.preferences), "No"]
    rewards = wishes_kept(
        [[{"role": "assistant", "content": reply}] for reply in replies],
        [persona.personality] * 2,
        prompts=None,
    )
    assert rewards == [satisfaction(persona.preferences, reply) for reply in replies]
    assert rewards[0] == 1.0
