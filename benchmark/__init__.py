"""How well does a model fit this user, and does it get better while they talk?"""
