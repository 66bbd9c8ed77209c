"""For each test: a database of its own, captured by eider, and its lake."""

import os
import subprocess
import uuid
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import duckdb
import psycopg
import pytest

HERE = Path(__file__).parent


class Shop:
    """The application's database, and eider beside it."""

    def __init__(self, url: str, folder: Path):
        self.database = psycopg.connect(url, autocommit=True)
        self.environment = {
            **os.environ,
            "EIDER_SOURCE": url,
            "EIDER_TABLES": "shop.*",
            "EIDER_DATA_PATH": str(folder / "lake"),
            # The DuckDB in this process reads the catalog through libpq, too.
            "PGPASSWORD": urlsplit(url).password or "",
        }

    def eider(self, *arguments: str) -> str:
        done = subprocess.run(["eider", *arguments], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def migrate(self, name: str) -> None:
        self.database.execute((HERE / "migrations" / name).read_text())

    def lake(self, *models: str) -> duckdb.DuckDBPyConnection:
        """Moves all changes, then opens the lake as anyone could, with the models on top."""
        self.eider("sync", "--until-empty")
        os.environ["PGPASSWORD"] = self.environment["PGPASSWORD"]
        lake = duckdb.connect()
        if folder := os.environ.get("EIDER_EXTENSION_DIR"):
            lake.execute(f"SET extension_directory = '{folder}'")
        lake.execute(self.eider("attach"))
        lake.execute("USE memory")
        for model in models:
            lake.execute((HERE / "models" / model).read_text())
        return lake


@pytest.fixture
def shop(tmp_path):
    server = os.environ["DATABASE_URL"]  # set by `eider dev run`
    name = f"shop_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    shop = Shop(urlunsplit(urlsplit(server)._replace(path=f"/{name}")), tmp_path)
    shop.migrate("001_orders.sql")
    shop.eider("init")
    yield shop
    shop.database.close()
