"""The two that are compared, and the table without any capture, behind one interface.

Each side has a database of its own, with the same table (tables.sql), a lake of its own with its catalog in that
database, and a folder of its own.
"""

import os
import shutil
import sys

import process

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def sql(name):
    with open(os.path.join(HERE, name)) as file:
        return file.read()


class Side:
    """A database in which nothing is captured."""

    name = "untriggered"
    log_tables = ()
    catalog_schema = None
    stall_settings = {}

    def __init__(self, bench, label):
        self.bench = bench
        self.database = f"{label}_{self.name}"
        self.folder = os.path.join(bench.folder, self.database)
        self.data_path = os.path.join(self.folder, "lake")
        self.orders = 0
        os.makedirs(self.data_path)
        bench.server.create_database(self.database)
        self.connection = bench.server.connect(self.database)
        self.connection.execute(sql("tables.sql"))
        self.install()

    def install(self):
        pass

    def fill(self, count):
        """Adds that many new orders, in one transaction: one event each."""
        self.connection.execute("SELECT shop.add_orders(%s, %s)", (self.orders + 1, self.orders + count))
        self.orders += count

    def empty(self):
        """Empties the table and the log of changes, as if nothing had been changed. No batch may follow."""
        tables = ", ".join(("shop.orders", *self.log_tables))
        self.connection.execute(f"BEGIN; SET LOCAL session_replication_role = replica; TRUNCATE {tables}; COMMIT")
        self.orders = 0

    def drop(self):
        self.connection.close()
        self.bench.server.drop_database(self.database)
        shutil.rmtree(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    # --- sides that capture -------------------------------------------------------------------------------------

    def sync(self, *flags, **settings):
        """Runs the program until nothing is left."""
        return process.run(self.command("sync", *flags), self.environment(**settings), self.folder)

    def mover(self, every_s, *flags, **settings):
        """The program as it runs for long: looks again and again. Not started yet."""
        return process.Mover(self.command("sync", "--every", self.interval(every_s), *flags), self.environment(**settings), self.folder)

    def count(self):
        """Events in the lake, read from its files by a DuckDB that knows neither side."""
        reader = [sys.executable, os.path.join(HERE, "count.py"), self.bench.extensions,
                  self.bench.server.dsn(self.database), self.catalog_schema]
        return int(process.run(reader, os.environ, self.folder).output)

    def check_count(self, expected):
        found = self.count()
        if found != expected:
            raise SystemExit(f"bench: {self.name}: {found} events in the lake where {expected} belong")

    def data_bytes(self):
        """Of the Parquet files."""
        return sum(os.path.getsize(os.path.join(folder, file))
                   for folder, _, files in os.walk(self.data_path) for file in files if file.endswith(".parquet"))


class Baseline(Side):
    name = "baseline"
    log_tables = ("audit.cdc",)
    catalog_schema = "baseline_lake"

    def install(self):
        self.connection.execute(sql("baseline.sql"))
        process.run(self.command("create"), self.environment(), self.folder)

    def command(self, *arguments):
        return [sys.executable, os.path.join(HERE, "baseline.py"), *arguments]

    def version_command(self):
        return [sys.executable, "-c", "import duckdb, psycopg"]

    @staticmethod
    def interval(seconds):
        return str(seconds)

    def environment(self, **settings):
        return {**os.environ, "BASELINE_SOURCE": self.bench.server.dsn(self.database), "BASELINE_DATA_PATH": self.data_path,
                "BASELINE_EXTENSIONS": self.bench.extensions, **settings}


class Eider(Side):
    name = "eider"
    log_tables = ("audit.cdc_1", "audit.cdc_2", "audit.cdc_3")
    catalog_schema = "eider_lake"
    stall_settings = {"EIDER_ROTATE_MIN_ROWS": "1000"}

    def install(self):
        process.run(self.command("init", self.bench.server.uri(self.database)), self.environment(), self.folder)

    def command(self, *arguments):
        return [self.bench.eider, *arguments, *(["--json"] if arguments[0] == "sync" else [])]

    def version_command(self):
        return self.command("version")

    @staticmethod
    def interval(seconds):
        return f"{round(seconds * 1000)}ms"

    def environment(self, **settings):
        own = {name: value for name, value in os.environ.items() if not name.startswith("EIDER_")}
        # Without mirrors: the baseline has only a log, too.
        return {**own, "EIDER_MIRROR": "false", "EIDER_SOURCE": self.bench.server.uri(self.database), "EIDER_DATA_PATH": self.data_path,
                "EIDER_EXTENSION_DIR": self.bench.extensions, **settings}
