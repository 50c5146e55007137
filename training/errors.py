"""What libraries raise for somebody's model or settings, in one line for people."""


def summarise_error(error: Exception) -> str:
    """Return the first line of an error, of at most 200 characters; its kind if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
