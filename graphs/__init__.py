"""LangGraph state machines, and what drives many of them."""
