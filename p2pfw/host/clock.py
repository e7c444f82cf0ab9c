"""The system's clocks, as the port wants them."""

import time


class SystemClock:
    """Wall and monotonic time of this machine."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
