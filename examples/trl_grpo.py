"""GRPO in a TRL script of your own, with the wishes of simulated users as the reward.

    aloe personas verifiable --count 20 --out personas.jsonl
    aloe simulate --personas personas.jsonl --out runs/wishes
    aloe export runs/wishes --format grpo --out grpo.jsonl
    python examples/trl_grpo.py grpo.jsonl Qwen/Qwen2.5-0.5B-Instruct out

`aloe train grpo` does the same and more: a judge as the reward, several turns ahead, resuming. Here
every argument is TRL's. The reward is one of TRL's reward functions, so others go beside it. It
counts wishes that a program can check, so rows of users without any are an error.

Tried for two steps with the tests' random model on a CPU; never with a model of any use.
"""

import sys
from pathlib import Path

from aloe.agents.rewards import rules


def train(rows: str, model: str, out: str, **arguments: object) -> None:
    from datasets import load_dataset
    from trl import GRPOConfig, GRPOTrainer

    kind = "parquet" if Path(rows).suffix == ".parquet" else "json"
    given = {"max_completion_length": 256, "num_generations": 8, "learning_rate": 1e-6}
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=rules,
        args=GRPOConfig(output_dir=out, **{**given, **arguments}),
        train_dataset=load_dataset(kind, data_files=rows, split="train"),
    )
    trainer.train()
    trainer.save_model(out)


if __name__ == "__main__":
    train(*sys.argv[1:4])
