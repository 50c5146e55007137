"""The pool of personas: its gate, its growth, its report."""
