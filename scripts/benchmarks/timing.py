"""Times several ways to do the same work alternately in one process, so that noise meets all of them."""

import dataclasses
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Timings:
    """Seconds per run of each way.

    Attributes:
        seconds: name -> one value per round.

    Example:
        >>> timings = Timings({"ours": [1.0, 2.0, 6.0], "plain": [2.0, 2.0, 3.0]})
        >>> timings.median("ours"), timings.ratio("ours", to="plain")
        (2.0, 1.0)
    """

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Median seconds of one way."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """Median over the rounds of the time of `name` divided by that of `to` in the same round."""
        return statistics.median(a / b for a, b in zip(self.seconds[name], self.seconds[to], strict=True))

    def figures(self) -> dict[str, float]:
        """The number of rounds, each way's median, the ratio of `ours` to each other, and the peak memory."""
        others = [name for name in self.seconds if name != "ours"]
        return {
            "rounds": len(self.seconds["ours"]),
            **{f"{name}_ms": self.median(name) * 1e3 for name in self.seconds},
            **{f"ratio_to_{name}": self.ratio("ours", name) for name in others},
            "peak_memory_bytes": peak_memory_bytes(),
        }


def alternate(ways: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3) -> Timings:
    """Runs every way once per round, in turn.

    Args:
        ways: name -> a function that does the work and returns when it is done.
        rounds: how many are timed.
        warm_up: rounds before these, not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(-warm_up, rounds):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            if round_number >= 0:
                seconds[name].append(time.perf_counter() - started)
    return Timings(seconds)


def seconds_since_start() -> float:
    """How long this process has been running, of the clock on the wall (Linux only)."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def peak_memory_bytes() -> int:
    """The largest resident set that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
