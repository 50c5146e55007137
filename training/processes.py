"""The processes that train one model together, as `torchrun` and `accelerate launch` start them."""

import os


def count_processes() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return whether this process writes files; with several GPUs only the first does."""
    return int(os.environ.get("RANK", "0")) == 0


def leave_processes() -> None:
    """Wait until the others are done as well, and part from them in good order.

    A process that ends while another still talks to it can take that one down with it.
    """
    if count_processes() == 1:
        return
    from torch import distributed

    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
