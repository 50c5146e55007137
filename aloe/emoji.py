"""What counts as an emoji: what is shown as a coloured picture, and no other sign.

Unicode gives every sign a presentation. An alarm clock (U+23F0) is a picture by itself; a heart
(U+2764) or a sun (U+2600) is text until a selector (U+FE0F), a skin tone or a joiner follows; and
check marks, stars of type and arrows stay text. The table holds the signs of the basic plane that
are pictures by themselves, which Unicode no longer adds to, and the blocks of pictures beyond it; a
test compares it with Unicode's own property in the `regex` package. It stands here and is not
looked up there, so that the same rules give the same result with every version of that package.
"""

_SKIN = "\U0001f3fb-\U0001f3ff"
_PICTURES = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1"
    "\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705"
    "\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50"
    "\u2b55\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a\U0001f201\U0001f21a\U0001f22f"
    "\U0001f232-\U0001f236\U0001f238-\U0001f23a\U0001f250\U0001f251\U0001f300-\U0001f64f"
    "\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0\U0001f90c-\U0001f93a\U0001f93c-\U0001f945"
    "\U0001f947-\U0001f9ff\U0001fa70-\U0001faff"
)
_SIGNS = (
    "\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2bff\u3030\u303d\u3297\u3299\U0001f170\U0001f171"
    "\U0001f17e\U0001f17f\U0001f202\U0001f237"
)
"""Text, unless something behind them makes them pictures."""
_ONE = (
    rf"(?:[{_PICTURES}](?!\ufe0e)|[{_SIGNS}](?=[\ufe0f\u200d{_SKIN}]))"
    rf"\ufe0f?[{_SKIN}]?[\U000e0020-\U000e007f]*"
)
EMOJI = (
    rf"(?:[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}"
    rf"|{_ONE}(?:\u200d[{_PICTURES}{_SIGNS}]\ufe0f?[{_SKIN}]?)*)"
)
"""Pattern of one emoji with all that belongs to it: keycaps, flags, skin tones, joined pictures."""
