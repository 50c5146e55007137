"""Errors that libraries raise over a model or settings, as one readable line."""


def summarise_error(error: Exception) -> str:
    """Return the first line of an error, of at most 200 characters; its kind if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
