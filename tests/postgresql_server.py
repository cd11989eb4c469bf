"""A PostgreSQL server of the tests' own, on a socket of its own, from the system's packages."""

import dataclasses
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest

PASSWORD = "s3cret@pass:word"


@dataclasses.dataclass(frozen=True)
class PostgreSQLServer:
    """A server that runs.

    Attributes:
        folder: of its socket.
    """

    folder: Path

    @property
    def url(self) -> str:
        """With the password."""
        return f"postgresql://ada:{quote(PASSWORD, safe='')}@/postgres?host={self.folder}"

    @property
    def url_without_password(self) -> str:
        """For a driver that finds the password in its environment."""
        return f"postgresql://ada@/postgres?host={self.folder}"

    def write(self, name: str, table: pa.Table) -> None:
        """Makes a table, in the place of one of the same name."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(name, table, mode="replace")
            connection.commit()

    def execute(self, statement: str) -> None:
        """Runs a statement."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            connection.commit()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """The server; it ends with the tests."""
    pytest.importorskip("adbc_driver_postgresql", reason="adbc-driver-postgresql is not installed")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # PostgreSQL refuses to run as root.
    owner = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "cwd": folder} if os.getuid() == 0 else {}
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    (folder / "password").write_text(PASSWORD)
    os.chmod(folder / "password", 0o644)

    def run(*arguments: str) -> None:
        result = subprocess.run(
            [str(programs[-1].parent / arguments[0]), *arguments[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **as_owner,
        )
        assert result.returncode == 0, result.stderr

    data = str(folder / "data")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    try:
        run(
            "initdb",
            "-D",
            data,
            "-U",
            "ada",
            "-A",
            "scram-sha-256",
            f"--pwfile={folder / 'password'}",
            "-E",
            "UTF8",
        )
        run("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield PostgreSQLServer(folder)
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
