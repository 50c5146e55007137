"""Verifiable personas: what they wish, how replies are scored, what their users say."""
