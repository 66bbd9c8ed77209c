"""Prints how many different events a lake holds: reads each of them, since a mere count(*) looks at no file."""

import sys

import duckdb

extensions, catalog, catalog_schema = sys.argv[1:]
lake = duckdb.connect(config={"extension_directory": extensions, "autoinstall_known_extensions": "false"})
lake.execute("LOAD ducklake; LOAD postgres_scanner")
lake.execute(f"ATTACH 'ducklake:postgres:{catalog}' AS lake (READ_ONLY, META_SCHEMA '{catalog_schema}')")
print(lake.execute("SELECT count(DISTINCT cdc_uuid) FROM lake.cdc WHERE length(data::VARCHAR) > 0").fetchone()[0])
