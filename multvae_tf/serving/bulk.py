"""Recommendations for a file of users, in bounded memory, restartable."""

import contextlib
import dataclasses
import functools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from tqdm import tqdm

from multvae_tf.errors import RunError
from multvae_tf.files import write_atomically
from multvae_tf.serving.recommender import Recommendations, Recommender

_COLUMNS = ("user_id", "history")
_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_ids", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float32())),
        ("num_known_items", pa.int32()),
    ]
)


@dataclasses.dataclass(frozen=True)
class BulkResult:
    """What `recommend_file` did.

    Attributes:
        num_users: in the output.
        num_done_before: those of them that an interrupted call had done.
        seconds: of this call.
    """

    num_users: int
    num_done_before: int
    seconds: float

    @property
    def users_per_second(self) -> float:
        """The users of this call by its seconds."""
        return (self.num_users - self.num_done_before) / self.seconds


def recommend_file(
    recommender: Recommender,
    histories: Path,
    output: Path,
    *,
    k: int,
    model_identity: str,
    separator: str = ",",
    batch_size: int = 256,
    users_per_part: int = 8192,
) -> BulkResult:
    """Writes the k best items of every user in a file to a Parquet file, in the order of the users.

    The users are done in parts, each a file in a hidden folder beside `output`; a call that was interrupted
    is continued by the same call. Memory holds one part, whatever the number of users.

    Args:
        recommender: whom to ask.
        histories: Parquet or CSV with one row per user: `user_id`, and `history`, a list of item ids or one
            text of ids between separators.
        output: columns `user_id`, `item_ids`, `scores` (lists of at most k) and `num_known_items`. It is
            replaced if it exists.
        k: how many items.
        model_identity: what tells this model from others: a part is only continued with the same one.
        separator: of the ids in a text.
        batch_size: users in one request.
        users_per_part: users between two files.

    Raises:
        RunError: the file cannot be read, or lacks a column.
    """
    start = time.monotonic()
    status = histories.stat()
    job = {
        "histories": [str(histories.resolve()), status.st_size, status.st_mtime_ns],
        "model": model_identity,
        "k": k,
        "separator": separator,
        "users_per_part": users_per_part,
    }
    total, batches = _open(histories, users_per_part)
    parts = _open_parts(output, job)
    num_users = num_done_before = 0
    with tqdm(total=total, unit=" users", smoothing=0.05) as progress:
        for number, table in enumerate(_parts_of(histories, batches, separator, users_per_part)):
            part = parts / f"{number:06d}.parquet"
            num_users += len(table)
            if part.exists():
                num_done_before += len(table)
                progress.update(len(table))
                continue
            answers = []
            for batch in table.to_batches(max_chunksize=batch_size):
                answers.append(_answer(recommender, batch, k))
                progress.update(len(batch))
            write_atomically(part, functools.partial(pq.write_table, pa.Table.from_batches(answers, _SCHEMA)))
    write_atomically(output, lambda path: _join(sorted(parts.glob("[0-9]*.parquet")), path))
    shutil.rmtree(parts)
    return BulkResult(num_users, num_done_before, time.monotonic() - start)


def _open_parts(output: Path, job: dict[str, Any]) -> Path:
    """The folder of the parts, emptied if they are those of another job."""
    parts = output.with_name(f".{output.name}.parts")
    path = parts / "job.json"
    if parts.exists() and not (path.exists() and json.loads(path.read_text(encoding="utf-8")) == job):
        shutil.rmtree(parts)
    parts.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, lambda p: p.write_text(json.dumps(job), encoding="utf-8"))
    return parts


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowInvalid as error:
        raise RunError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def _open(path: Path, size: int) -> tuple[int | None, Iterator[pa.RecordBatch]]:
    """The number of users in a file, None where only reading all of it would tell, and its rows."""
    with _reading(path):
        if path.suffix in (".parquet", ".pq"):
            file = pq.ParquetFile(path)
            _require_columns(path, file.schema_arrow.names)
            return file.metadata.num_rows, file.iter_batches(size, columns=list(_COLUMNS))
        types = {name: pa.string() for name in _COLUMNS}
        reader = pyarrow.csv.open_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=types))
        _require_columns(path, reader.schema.names)
        return None, iter(reader)


def _parts_of(path: Path, batches: Iterator[pa.RecordBatch], separator: str, size: int) -> Iterator[pa.Table]:
    """The users in tables of `size`, the last one smaller: `user_id` string, `history` list of string."""
    waiting: list[pa.RecordBatch] = []
    num_waiting = 0
    with _reading(path):
        for batch in batches:
            ids = pc.cast(batch.column("user_id"), pa.string())
            history = _as_lists(batch.column("history"), separator)
            waiting.append(pa.RecordBatch.from_arrays([ids, history], names=list(_COLUMNS)))
            num_waiting += len(batch)
            while num_waiting >= size:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, size)
                waiting = table.slice(size).to_batches()
                num_waiting -= size
    if num_waiting:
        yield pa.Table.from_batches(waiting)


def _require_columns(path: Path, names: list[str]) -> None:
    for column in _COLUMNS:
        if column not in names:
            raise RunError(f"{path} has no column {column!r}; its columns are {', '.join(names)}")


def _as_lists(column: pa.Array, separator: str) -> pa.Array:
    """Histories as lists of string: numbers become text, texts are split, null is an empty history."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.cast(column, pa.list_(pa.string()))
    text = pc.fill_null(pc.cast(column, pa.string()), "")
    return pc.split_pattern(text, separator)


def _answer(recommender: Recommender, users: pa.RecordBatch, k: int) -> pa.RecordBatch:
    """The output's rows for some users."""
    histories = [
        [item_id.strip() for item_id in history or () if item_id]
        for history in users.column("history").to_pylist()
    ]
    answer: Recommendations = recommender.recommend(histories, k)
    is_item = answer.item_ids != ""
    offsets = pa.array(np.concatenate([[0], np.cumsum(is_item.sum(axis=1))]), pa.int32())
    lists = [
        pa.ListArray.from_arrays(offsets, pa.array(values[is_item], kind))
        for values, kind in ((answer.item_ids, pa.string()), (answer.scores, pa.float32()))
    ]
    known = pa.array(answer.num_known_items, pa.int32())
    return pa.RecordBatch.from_arrays([users.column("user_id"), *lists, known], schema=_SCHEMA)


def _join(parts: list[Path], path: Path) -> None:
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))
