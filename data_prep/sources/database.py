"""The result of a query: PostgreSQL and SQLite through ADBC, and DuckDB, streamed as Arrow batches.

Passwords are taken from the URL, or from where the driver looks for them (PGPASSWORD, ~/.pgpass); no
message, manifest or card has them.
"""

import contextlib
import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from tqdm import tqdm

from data_prep.database_url import secrets_of, without_secrets
from data_prep.errors import DataError
from data_prep.readers import rows
from data_prep.readers.columnar import block_of
from data_prep.readers.layout import ROLES, Layout
from data_prep.sources.raw_data import RawData
from data_prep.spec import DatasetSpec
from data_prep.table import InteractionTable, TableBuilder

_ROWS = 1 << 17


def locate(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    """The result of the spec's query; nothing tells whether it has changed, so it is read each time.

    Raises:
        DataError: there is no query, no such file, or the driver is not installed.
    """
    url = spec.path or ""
    if not spec.query:
        raise DataError(
            f"{without_secrets(url)} is a database: say what to read, such as query='select user_id, "
            f"item_id, rating "
            "from plays'"
        )
    return RawData(without_secrets(url), None, lambda: read(url, spec))


def read(url: str, spec: DatasetSpec) -> InteractionTable:
    """The positives among the rows of a query's result, in its order.

    The columns are found by the names of the spec; where these are not all there, they are user, item,
    rating and timestamp in this order, as far as the result has them.

    Args:
        url: `postgresql://user@host/database`, `sqlite:///file`, `duckdb:///file`, or `duckdb://` for files.
        spec: query, columns and threshold.

    Raises:
        DataError: the database or the query fails, or a row has a value that cannot be used.
    """
    source, builder, forms = without_secrets(url), TableBuilder(), set[str]()
    try:
        with _batches(url, spec.query or "") as reader:
            layout = _layout(reader.schema.names, spec, source)
            threshold = spec.threshold if layout.rating else None
            with tqdm(desc=f"Reading {spec.name}", unit=" rows", delay=2) as bar:
                for batch in reader:
                    block = block_of(batch, layout, f"{source}, result", builder.num_rows + 1)
                    if batch.num_rows:
                        rows.collect(builder, rows.checked(block, layout, threshold), forms, source)
                    bar.update(batch.num_rows)
    except DataError:
        raise
    except Exception as error:  # each driver has errors of its own
        raise DataError(f"{source}: {_told(error, url)}") from None
    table = builder.build(source, spec.timestamp_unit)
    columns = ", ".join(f"{role}s in {name!r}" for role, name in layout.names.items())
    return dataclasses.replace(
        table, description=f"{source}: {builder.num_rows:,} rows of a query; {columns}; {table.kind_of_ids}"
    )


def _layout(names: list[str], spec: DatasetSpec, source: str) -> Layout:
    wanted = spec.layout()
    if {wanted.user, wanted.item} <= set(names):
        wanted.require(names, source)
        return wanted
    needs_time = spec.protocol == "temporal"
    if not 2 <= len(names) <= 4 or (needs_time and len(names) != (4 if spec.rating_column else 3)):
        raise DataError(
            f"{source}: the query gives the columns {', '.join(names)}; it must give user, item, "
            f"{'rating and timestamp' if needs_time else 'and rating if there is one'}, in this order or "
            f"by the "
            "names of user_column=, item_column=, rating_column= and timestamp_column="
        )
    roles = [role for role in ROLES if role != "rating" or spec.rating_column]
    found = dict(zip(roles, names, strict=False))
    if not needs_time:
        found.pop("timestamp", None)
    if len(set(names)) != len(names):
        raise DataError(
            f"{source}: the query gives the columns {', '.join(names)}; each name must be there once"
        )
    by_role: dict[str, Any] = {role: found.get(role, "") for role in ROLES}
    return dataclasses.replace(wanted, **by_role)


def _told(error: Exception, url: str) -> str:
    text = " ".join(str(error).split())
    for secret in secrets_of(url):
        text = text.replace(secret, "***")
    if "Type mismatch" in text:  # SQLite's columns may have values of any type; ADBC takes the first rows'
        text += "; let the query give one type, as with cast(item_id as text)"
    return without_secrets(text)


@contextlib.contextmanager
def _batches(url: str, query: str) -> Iterator[Any]:
    """A reader of the result's record batches."""
    scheme, _, rest = url.partition("://")
    file = unquote(rest.removeprefix("/").partition("?")[0])
    if scheme == "duckdb":
        duckdb = _driver("duckdb")
        if file and not Path(file).is_file():
            raise DataError(f"there is no file {file!r}")
        with duckdb.connect(file or ":memory:", read_only=bool(file)) as connection:
            result = connection.sql(query)
            if result is None:
                raise DataError(f"{url}: the query gives no rows; it must be a select")
            yield result.to_arrow_reader(_ROWS)
        return
    if scheme == "sqlite":
        if not Path(file).is_file():
            raise DataError(f"there is no file {file!r}")
        driver, where = _driver("adbc_driver_sqlite.dbapi"), file
    else:
        driver, where = _driver("adbc_driver_postgresql.dbapi"), url
    with driver.connect(where) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        reader: pa.RecordBatchReader = cursor.fetch_record_batch()
        yield reader


def _driver(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(
            f"databases need {name.partition('.')[0]}: install it with pip install 'multvae-tf[database]'"
        ) from error
