"""How long a prepared dataset takes to make from a CSV of ML-20M's size, and how much memory."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import synthetic

NUM_ROWS, NUM_USERS, NUM_ITEMS = 17_900_000, 138_493, 26_744
_HELDOUT_USERS = 10_000
_SEED = 1
_CODE = """
import sys
import data_prep
from data_prep.catalogue import resolve
counts = data_prep.prepare(resolve(sys.argv[1], heldout_users=int(sys.argv[2])), sys.argv[3]).counts
print(counts["events"])
"""


def ratings_csv(folder: Path) -> Path:
    """The generated CSV; about 15.9 million rows, since repetitions among `NUM_ROWS` draws fall out."""
    path = folder / "generated-ratings.csv"
    if not path.exists():
        synthetic.write_ratings_csv(path, NUM_ROWS, NUM_USERS, NUM_ITEMS, _SEED)
    return path


def prepare(path: Path) -> dict[str, float]:
    """Prepares the CSV in a process of its own.

    Returns:
        seconds, peak_memory_bytes, events (positives after the filters) and file_bytes.
    """
    with tempfile.TemporaryDirectory() as data_dir:
        arguments = [sys.executable, "-c", _CODE, str(path), str(_HELDOUT_USERS), data_dir]
        started = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert process.stdout is not None
        events = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    if status:
        raise subprocess.CalledProcessError(status, arguments)
    return {
        "seconds": seconds,
        "peak_memory_bytes": usage.ru_maxrss * 1024,
        "events": int(events),
        "file_bytes": path.stat().st_size,
    }
