"""The baseline: moves changes from audit.cdc into a DuckLake, the way one writes it in an afternoon.

A batch is the whole table: it is renamed away, an empty one takes its place, `INSERT ... SELECT` through DuckDB's
postgres extension copies it, then it is dropped. Has the same command line and output as `eider sync`, as far as
the benchmark uses them, so that both are measured by the same code.
"""

import argparse
import json
import os
import signal
import sys
import time

import duckdb
import psycopg

SWAP = """
    BEGIN;
    SET LOCAL lock_timeout = '{lock_timeout_ms}ms';
    ALTER TABLE audit.cdc RENAME TO cdc_batch;
    ALTER INDEX audit.cdc_pkey RENAME TO cdc_batch_pkey;
    CREATE UNLOGGED TABLE audit.cdc (LIKE audit.cdc_batch INCLUDING ALL);
    COMMIT
"""


class Baseline:
    def __init__(self, source, data_path, extensions, lock_timeout_ms):
        self.swap = SWAP.format(lock_timeout_ms=lock_timeout_ms)
        self.source = psycopg.connect(source, autocommit=True)
        self.lake = duckdb.connect(config={"extension_directory": extensions, "autoinstall_known_extensions": "false"})
        self.lake.execute("LOAD ducklake; LOAD postgres_scanner")
        self.lake.execute(f"ATTACH 'ducklake:postgres:{source}' AS lake (DATA_PATH '{data_path}', META_SCHEMA 'baseline_lake')")
        self.lake.execute(f"ATTACH '{source}' AS source (TYPE postgres)")

    def create(self):
        self.lake.execute("""
            CREATE TABLE IF NOT EXISTS lake.cdc (dl_ts TIMESTAMPTZ, cdc_uuid UUID, cdc_ts TIMESTAMPTZ, cdc_op VARCHAR,
                                                 table_schema VARCHAR, table_name VARCHAR, data JSON)""")

    def batch(self):
        """Returns the number of events moved."""
        if not self.source.execute("SELECT EXISTS (SELECT FROM audit.cdc)").fetchone()[0]:
            return 0
        self.source.execute(self.swap)
        self.lake.execute("CALL pg_clear_cache()")  # the extension remembers tables by name
        moved = self.lake.execute("INSERT INTO lake.cdc SELECT now(), * FROM source.audit.cdc_batch").fetchone()[0]
        self.source.execute("DROP TABLE audit.cdc_batch")
        return moved


def main():
    options = argparse.ArgumentParser()
    options.add_argument("command", choices=["create", "sync"])
    options.add_argument("--every", type=float, help="seconds")
    options.add_argument("--lock-timeout-ms", type=int, default=0, help="how long the rename may wait, and all writers with it")
    options = options.parse_args()

    environment = os.environ
    baseline = Baseline(environment["BASELINE_SOURCE"], environment["BASELINE_DATA_PATH"],
                        environment["BASELINE_EXTENSIONS"], options.lock_timeout_ms)
    if options.command == "create":
        baseline.create()
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        begun = time.monotonic()
        try:
            moved = baseline.batch()
        except psycopg.errors.LockNotAvailable:
            baseline.source.rollback()
            moved = 0
        seconds = time.monotonic() - begun
        if moved or not options.every:
            print(json.dumps({"events": moved, "seconds": seconds}), flush=True)
        if not options.every:
            return
        time.sleep(max(0, options.every - seconds))


if __name__ == "__main__":
    main()
