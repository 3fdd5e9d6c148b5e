# SPDX-License-Identifier: Apache-2.0
"""The service's database, as the tests reach it. The URL of the configuration ([database] connection) says which engine it
is; an engine is one class in ENGINES. Statements have `?` for each value, and no dialect where that can be avoided."""
import configparser
import contextlib
import re
import sqlite3
import urllib.parse


class Busy(Exception):
    """Another connection holds what this one needs, and went on holding it for the whole timeout."""


class Connection:
    """One connection. Use it as a context manager: it commits at the end, or rolls back after an exception, and closes."""

    def __init__(self, engine, raw):
        self.engine, self.raw = engine, raw

    def cursor(self, statement, values):
        with self.engine.errors():
            cursor = self.raw.cursor()
            cursor.execute(self.engine.statement(statement), values)
            return cursor

    def query(self, statement, *values):
        """The rows, as a list of tuples; [] for a statement without rows."""
        cursor = self.cursor(statement, values)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def execute(self, statement, *values):
        """The number of rows that a change concerned."""
        return self.cursor(statement, values).rowcount

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with contextlib.closing(self.raw), self.engine.errors():
            self.raw.rollback() if kind else self.raw.commit()


class Sqlite:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.path = urllib.parse.unquote(parts.path[1:])        # sqlite:////absolute, sqlite:///relative

    def connect(self, timeout, locked=False):
        with self.errors():
            raw = sqlite3.connect(self.path, timeout=timeout, isolation_level=None)
            try:
                raw.execute('BEGIN IMMEDIATE' if locked else 'BEGIN')
            except BaseException:
                raw.close()
                raise
        return raw

    def statement(self, text):
        return text

    def readers_never_wait(self):
        with contextlib.closing(sqlite3.connect(self.path)) as raw:
            raw.execute('PRAGMA journal_mode = WAL')

    @contextlib.contextmanager
    def errors(self):
        try:
            yield
        except sqlite3.OperationalError as e:
            if 'locked' in str(e):
                raise Busy(str(e)) from e
            raise


ENGINES = {'sqlite': Sqlite}


class Database:
    def __init__(self, where):
        """where: the URL, as in the configuration; a path is an SQLite file."""
        where = re.sub(r'^fault\+', '', where)     # the driver that misbehaves, over another
        self.url = where if re.match(r'[a-z0-9+]+://', where) else 'sqlite:///' + where
        name = self.url.split(':')[0].split('+')[0]
        if name not in ENGINES:
            raise ValueError('the tests cannot reach a database of the kind %s' % name)
        self.engine = ENGINES[name](self.url)

    def connect(self, timeout=30):
        """A Connection in a transaction; timeout: seconds to wait for others' locks."""
        return Connection(self.engine, self.engine.connect(timeout))

    def query(self, statement, *values):
        with self.connect() as connection:
            return connection.query(statement, *values)

    def execute(self, statement, *values):
        with self.connect() as connection:
            return connection.execute(statement, *values)

    def locked(self, timeout=60):
        """A Connection that keeps all others from writing until it ends."""
        return Connection(self.engine, self.engine.connect(timeout, locked=True))

    def readers_never_wait(self):
        """Sets up an empty database so, where its engine does not do that by itself."""
        self.engine.readers_never_wait()


def of_configuration(path):
    """The Database that a configuration file names."""
    parser = configparser.RawConfigParser(strict=False, delimiters=('=',), comment_prefixes=('#',), default_section='')
    parser.read(path)
    return Database(parser.get('database', 'connection'))
