"""What settings say of training, checked without torch where there is nothing to check with it."""

from aloe.config import Config
from aloe.extras import TRAINING, require
from aloe.training.reward import check_reward


def check_settings(config: Config) -> None:
    """Make sure that the reward of `config` can be found, and that TRL knows the arguments.

    Raises:
        ConfigError: naming the reward, or the argument and the nearest known.
    """
    training, experiment = config.training, config.experiment
    if training.reward:
        check_reward(training.reward)
    given = {
        "training.arguments": training.arguments,
        "experiment.sft": experiment.sft,
        "experiment.dpo": experiment.dpo,
        "experiment.rl": experiment.rl,
    }
    if any(given.values()):
        require("training", *TRAINING)
        from aloe.training.arguments import check_known

        for where, arguments in given.items():
            check_known(where, arguments)
