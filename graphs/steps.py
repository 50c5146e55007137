"""How many steps a graph of ours may take."""

from langchain_core.runnables import RunnableConfig

UNHURRIED: RunnableConfig = {"recursion_limit": 1_000_000}
"""More than any of them takes. They end by themselves, and a graph that a role or a model function
runs inside one inherits the limit: a lower one would end an agent where a tree is short."""
