"""LangGraph state machines, and what runs many of them."""
