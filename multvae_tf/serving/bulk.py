"""Recommendations for a file of users, in bounded memory, restartable."""

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from multvae_tf.errors import RunError, check
from multvae_tf.files import only_writer, write_atomically
from multvae_tf.serving.recommender import Recommendations, Recommender

_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_ids", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float32())),
        ("num_known_items", pa.int32()),
    ]
)
_MAX_CELLS = 2**20  # users times the longest history of a request: a longer history has fewer users beside it


class BulkRecommender(Recommender, Protocol):
    """A recommender that says how many users to ask it for at a time, and what tells it from others."""

    users_at_a_time: int

    @property
    def identity(self) -> str:
        """Changes with the model."""


@dataclasses.dataclass(frozen=True)
class BulkResult:
    """What `recommend_all` did.

    Attributes:
        num_users: in the output.
        num_done_before: those of them that an interrupted call had done.
        num_unknown: those of whom no item is known, who got the most popular items.
        longest_list: the most items that anybody got.
        seconds: of this call.
    """

    num_users: int
    num_done_before: int
    num_unknown: int
    longest_list: int
    seconds: float

    def __str__(self) -> str:
        rate = (self.num_users - self.num_done_before) / max(self.seconds, 1e-9)
        parts = [f"{self.num_users:,} users"]
        if self.num_done_before:
            parts.append(f"{self.num_done_before:,} of them by an earlier call")
        if self.num_unknown:
            parts.append(f"{self.num_unknown:,} of whom have no known item: they got the most popular items")
        return f"{', '.join(parts)}; {rate:,.0f} users/s."


def recommend_all(
    recommender: BulkRecommender,
    users: Iterable[pa.RecordBatch],
    output: Path,
    *,
    k: int,
    source: Mapping[str, Any],
    exclude: Sequence[str] = (),
    users_per_part: int = 8192,
) -> BulkResult:
    """Writes the k best items of every user to a file, in the order of the users.

    The users are done in parts, each a file in a hidden folder beside `output`; a call that was interrupted
    is continued by the same call. Memory holds one part, whatever the number of users.

    Args:
        recommender: whom to ask.
        users: batches with `user_id` string, `history` list of string and, perhaps, `exclude` likewise.
        output: by its ending .parquet or .jsonl, with `user_id`, `item_ids`, `scores` (lists of at most
            k) and `num_known_items`; or .csv with a row for each item: `user_id`, `rank`, `item_id`,
            `score`. It is replaced if it exists.
        k: how many items.
        source: what tells these users from others, as JSON values.
        exclude: raw ids that are recommended to nobody.
        users_per_part: users between two files.

    Raises:
        SettingError: k is less than 1, or the output has another ending.
        RunError: the output cannot be written, or another process writes the same one.
    """
    started = time.monotonic()
    check(k >= 1, "k", k, "at least 1")
    write_output = _writer_of(output)
    job = {"source": source, "model": recommender.identity, "k": k, "exclude": sorted(exclude)}
    digest = hashlib.sha256(json.dumps([job, users_per_part], sort_keys=True).encode()).hexdigest()[:16]
    parts = output.with_name(f".{output.name}.parts-{digest}")
    num_users = num_done_before = num_unknown = longest = 0
    with only_writer(parts), tqdm(unit=" users", smoothing=0.05) as progress:
        for number, table in enumerate(_in_parts(users, users_per_part)):
            part = parts / f"{number:06d}.parquet"
            if part.exists():
                num_done_before += len(table)
            else:
                answers = [_answer(recommender, rows, k, exclude) for rows in _requests(recommender, table)]
                answered = pa.Table.from_batches(answers, _SCHEMA)
                write_atomically(part, functools.partial(pq.write_table, answered))
            written = pq.read_table(part)
            if len(written) != len(table):
                raise RunError(f"{part} has {len(written)} users, not {len(table)}: delete {parts}")
            num_users += len(table)
            num_unknown += int((written["num_known_items"].to_numpy() == 0).sum())
            longest = max([longest, *written["item_ids"].combine_chunks().value_lengths().to_pylist()])
            progress.update(len(table))
        files = sorted(parts.glob("[0-9]*.parquet"))
        write_atomically(output, lambda path: write_output(files, path))
    shutil.rmtree(parts)
    return BulkResult(num_users, num_done_before, num_unknown, longest, time.monotonic() - started)


def _writer_of(output: Path) -> Callable[[list[Path], Path], None]:
    """What writes the output, by its ending; checks first that it can be written."""
    writers = {".parquet": _write_parquet, ".jsonl": _write_json_lines, ".csv": _write_csv}
    check(output.suffix in writers, "output", output, f"a name that ends in {', '.join(writers)}")
    if output.is_dir():
        raise RunError(f"output is {output}, which is a folder")
    folder = output.resolve().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise RunError(f"output is {output}, but {folder} cannot be written")
    return writers[output.suffix]


def _in_parts(users: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """The users in tables of `size`, the last one smaller."""
    waiting: list[pa.RecordBatch] = []
    num_waiting = 0
    for batch in users:
        waiting.append(batch)
        num_waiting += len(batch)
        while num_waiting >= size:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, size)
            waiting = table.slice(size).to_batches()
            num_waiting -= size
    if num_waiting:
        yield pa.Table.from_batches(waiting)


def _requests(recommender: BulkRecommender, table: pa.Table) -> Iterator[list[dict[str, Any]]]:
    """The users of a part, as many at a time as one request may hold."""
    waiting: list[dict[str, Any]] = []
    longest = 0
    for user in table.to_pylist():
        length = max(longest, len(user["history"]), len(user.get("exclude") or ()))
        if waiting and (
            len(waiting) == recommender.users_at_a_time or (len(waiting) + 1) * (length + 1) > _MAX_CELLS
        ):
            yield waiting
            waiting, length = [], max(len(user["history"]), len(user.get("exclude") or ()))
        waiting.append(user)
        longest = length
    if waiting:
        yield waiting


def _answer(
    recommender: Recommender, users: Sequence[Mapping[str, Any]], k: int, exclude: Sequence[str]
) -> pa.RecordBatch:
    """The output's rows for some users."""
    histories = [user["history"] for user in users]
    excluded = [[*exclude, *(user.get("exclude") or ())] for user in users]
    answer: Recommendations = recommender.recommend(histories, k, excluded if any(excluded) else None)
    is_item = answer.item_ids != ""
    offsets = pa.array(np.concatenate([[0], np.cumsum(is_item.sum(axis=1))]), pa.int32())
    lists = [
        pa.ListArray.from_arrays(offsets, pa.array(values[is_item], kind))
        for values, kind in ((answer.item_ids, pa.string()), (answer.scores, pa.float32()))
    ]
    user_ids = pa.array([user["user_id"] for user in users], pa.string())
    known = pa.array(answer.num_known_items, pa.int32())
    return pa.RecordBatch.from_arrays([user_ids, *lists, known], schema=_SCHEMA)


def _write_parquet(parts: list[Path], path: Path) -> None:
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))


def _write_json_lines(parts: list[Path], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for part in parts:
            for row in pq.read_table(part).to_pylist():
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_csv(parts: list[Path], path: Path) -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "rank", "item_id", "score"])
        for part in parts:
            for row in pq.read_table(part).to_pylist():
                for rank, (item_id, score) in enumerate(
                    zip(row["item_ids"], row["scores"], strict=True), start=1
                ):
                    writer.writerow([row["user_id"], rank, item_id, score])
