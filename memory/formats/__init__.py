"""Conversations of other projects as trees: a file a format, and one that knows them all.

Every format gives `Conversation`s, and one function makes trees of them, so what a tree of people's
conversations looks like does not depend on where it came from.
"""
