"""How long a prepared dataset takes to make from data of ML-20M's size, and how much memory.

Three files: a CSV; a CSV whose ids are UUIDs, a quarter of them different; and the archive as GroupLens has
it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import synthetic

NUM_ROWS, NUM_USERS, NUM_ITEMS = 17_900_000, 138_493, 26_744
_HELDOUT_USERS = 10_000
_SEED = 1
_CODE = """
import json, sys
import data_prep
settings = json.loads(sys.argv[3])
print(data_prep.prepare(sys.argv[1], sys.argv[2], **settings).counts["events"])
"""


def ratings_csv(folder: Path) -> Path:
    """The generated CSV; about 15.9 million rows, since repetitions among `NUM_ROWS` draws fall out."""
    path = folder / "generated-ratings.csv"
    if not path.exists():
        synthetic.write_ratings_csv(path, NUM_ROWS, NUM_USERS, NUM_ITEMS, _SEED)
    return path


def uuids_csv(folder: Path) -> Path:
    """The generated CSV of 20 million rows with text ids, of which 5 million are different."""
    path = folder / "generated-uuids.csv"
    if not path.exists():
        synthetic.write_uuid_csv(path, 20_000_000, 4_900_000, 100_000, _SEED)
    return path


def archive(folder: Path) -> Path:
    """A generated archive with as many ratings, users and movies as ML-20M's."""
    path = folder / "ml-20m.zip"
    if not path.exists():
        synthetic.write_movielens_archive(path, 20_000_263, NUM_USERS, NUM_ITEMS, _SEED)
    return path


def prepare(path: Path, **settings: Any) -> dict[str, float]:
    """Prepares a file in a process of its own.

    Args:
        path: of the raw data.
        **settings: of the dataset; by default 10,000 users are held out.

    Returns:
        seconds, peak_memory_bytes, events (positives after the filters) and file_bytes.
    """
    settings = {"heldout_users": _HELDOUT_USERS, **settings}
    with tempfile.TemporaryDirectory() as data_dir:
        arguments = [sys.executable, "-c", _CODE, str(path), data_dir, json.dumps(settings)]
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
