"""What judges are called, in settings, trees and logs."""

import re

_JUDGE = re.compile(r"judge\d*")


def is_judge(name: str) -> bool:
    """Whether an agent of this name is a judge: `judge`, or `judge2` and so on of a panel."""
    return _JUDGE.fullmatch(name) is not None
