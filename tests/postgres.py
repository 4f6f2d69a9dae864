"""A real PostgreSQL for the tests, which they start themselves."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from firecrawl_interact import PostgresJournal

with suppress(ImportError):
    import psycopg
    from psycopg import ClientCursor
    from psycopg.rows import dict_row

PASSWORD = "pass-word-of-the-database"
_ENOUGH_SECONDS = 120  # on a busy machine
_KEPT_BY_DEBIAN = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)


class ShortLease(PostgresJournal):
    """A journal whose tests need not take minutes. Nobody else can have such a lease."""

    _lease = 2


def program(name: str) -> str | None:
    """Find one of PostgreSQL's programs, where it or Debian puts it."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_KEPT_BY_DEBIAN))


def missing() -> str | None:
    """Say what there must be for a server and its tests. None: nothing is missing."""
    if "psycopg" not in globals():
        return "psycopg is missing: the tests of a PostgresJournal need it"
    if program("initdb") is None:
        return "PostgreSQL is missing: initdb is neither on PATH nor where Debian puts it"
    return None


def free_port() -> int:
    """Return a port that no connection and no server of other tests is given meanwhile.

    Systems give those above.
    """
    while True:
        port = random.randrange(10_000, 30_000)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _user() -> str | None:
    """Return who runs the server: it refuses to run as root."""
    return None if os.getuid() else "nobody"


class Postgres:
    """A server on 127.0.0.1, with a database of its own."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql://tester:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self._directory = directory
        self._data = directory / "data"
        password = directory / "password"
        password.write_text(PASSWORD, encoding="ascii")
        password.chmod(0o644)
        if user := _user():
            shutil.chown(directory, user)
        options = ["--username", "tester", "--auth", "scram-sha-256", "--pwfile", str(password)]
        self._run("initdb", *options, "--no-sync", "--locale", "C", "--encoding", "UTF8")

    def _run(self, name: str, *options: str) -> None:
        command = [str(program(name)), "--pgdata", str(self._data), *options]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdout=quiet, user=_user(), cwd=self._directory)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-k {self._directory} -h 127.0.0.1 -p {self.port} -F"
        waiting = ["--wait", "--timeout", "240", "--log", str(self._data / "log")]
        try:
            self._run("pg_ctl", "start", *waiting, "--options", options)
        except subprocess.CalledProcessError as error:
            raise AssertionError((self._data / "log").read_text(encoding="utf-8")) from error

    def stop(self) -> None:
        """End it at once, whoever is connected."""
        self._run("pg_ctl", "stop", "--wait", "--mode", "immediate")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def execute(
        self, statement: str, *values: object, url: str | None = None
    ) -> list[tuple[object, ...]]:
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def new_database(self, *settings: str, encoding: str = "UTF8") -> str:
        """Give the URL of a database without the table. A setting is such as `DateStyle = ISO`."""
        name = f"empty_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'")
        for setting in settings:
            self.execute(f"ALTER DATABASE {name} SET {setting}")
        return self.url.replace("/postgres", f"/{name}")

    def odd_database(self, encoding: str = "SQL_ASCII") -> str:
        """Give the URL of one with the table, whose defaults are few people's.

        `initdb` takes the encoding SQL_ASCII under `LC_ALL=C`.
        """
        url = self.new_database(
            "DateStyle = 'SQL, DMY'",
            "IntervalStyle = 'sql_standard'",
            "TimeZone = 'Asia/Kolkata'",
            "default_transaction_isolation = 'serializable'",
            encoding=encoding,
        )
        self.execute(ShortLease.TABLE, url=url)
        return url


@contextmanager
def odd_connection(url: str) -> "Iterator[psycopg.Connection[dict[str, object]]]":
    """Connect, as a pool of the caller's might do it."""
    with psycopg.connect(url, row_factory=dict_row, cursor_factory=ClientCursor) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _ENOUGH_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def server() -> Iterator[Postgres]:
    """Start a server that ends with the block."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        postgres = Postgres(Path(directory))
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()
