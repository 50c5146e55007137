"""What stands in a reply without being said: code, addresses, and words in somebody's mouth.

A question mark in an address asks nothing, an exclamation mark in code exclaims nothing, and
whoever quotes an apology makes none. What is looked for in a reply is looked for beside these.
"""

import re

_BLOCKS = r"```.*?(?:```|\Z)|^[^\S\n]*~~~.*?(?:^[^\S\n]*~~~|\Z)"
"""Pattern of blocks of code, which may lack their end; DOTALL and MULTILINE."""
CODE = rf"{_BLOCKS}|``[^\n]+?``|`[^`\n]*`"
"""Pattern of code, in blocks and in lines; DOTALL and MULTILINE."""

_ADDRESS = r"\b(?:https?://|www\.)[^\s<>()\[\]\"'`]*[^\s<>()\[\]\"'`.,;:!?*_]"
_UNSAID = re.compile(rf"{CODE}|{_ADDRESS}", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_BLOCK = re.compile(_BLOCKS, re.DOTALL | re.MULTILINE)
_QUOTED = re.compile(r"\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d")


def drop_unsaid(text: str) -> str:
    """Return a text without code and addresses, with a sign in place of each that is no word."""
    return _UNSAID.sub("\ufffc", text)


def drop_blocks(text: str) -> str:
    """Return a text without blocks of code."""
    return _BLOCK.sub(" ", text)


def drop_quoted(text: str) -> str:
    """Return a text without what stands in double quotation marks, unless all of it does."""
    rest = _QUOTED.sub(" ", text)
    return rest if re.search(r"\w", rest) else text
