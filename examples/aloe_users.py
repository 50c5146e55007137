"""The name by which verifiers finds our users: `vf-eval aloe-users`, or an env of prime-rl.

It has to be a module of its own, in the folder where the command runs or in an installed package.
"""

from aloe.benchmark.verifiers_environment import TalkHarness, UsersEnv, UsersTaskset

__all__ = ["TalkHarness", "UsersEnv", "UsersTaskset"]
