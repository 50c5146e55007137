#!/bin/sh
# GRPO with verl on users whose wishes a program can check. Untried: no training was run with it.
#
#   aloe export runs/verifiable --format verl-grpo --test-share 0.1 --out datasets/verl
#   sh examples/verl_grpo.sh datasets/verl Qwen/Qwen2.5-1.5B-Instruct
#
# Run it where `import aloe` works. All settings are in verl's configuration of 2026-01-29 (b178a3c).
set -eu
data=$1 model=$2
shift 2

exec python3 -m verl.trainer.main_ppo \
    algorithm.adv_estimator=grpo \
    data.train_files="$data/train.parquet" \
    data.val_files="$data/test.parquet" \
    data.train_batch_size=64 \
    data.max_prompt_length=2048 \
    data.max_response_length=256 \
    actor_rollout_ref.model.path="$model" \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=64 \
    actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8 \
    actor_rollout_ref.actor.use_kl_loss=True \
    actor_rollout_ref.actor.kl_loss_coef=0.001 \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=8 \
    actor_rollout_ref.rollout.gpu_memory_utilization=0.5 \
    actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=16 \
    actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=16 \
    custom_reward_function.path="$(dirname "$0")/verl_reward.py" \
    trainer.n_gpus_per_node=1 \
    trainer.total_epochs=1 \
    trainer.logger=console \
    "$@"
