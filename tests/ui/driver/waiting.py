"""Waiting for something to become true, and giving up at a deadline."""

import time

# Long enough for a loaded machine; nothing waits this long when all is well.
SECONDS_MAX = 60.0
POLL_SECONDS = 0.05


class NeverHappened(AssertionError):
    """What was waited for did not become true in time."""


def until(what, condition, seconds=SECONDS_MAX):
    """Calls `condition` until it returns something true, and returns that. `what` says it in words."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise NeverHappened(f"waited {seconds:.0f} s for: {what}")
        time.sleep(POLL_SECONDS)
