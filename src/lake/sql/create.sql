-- What eider keeps in a lake. Any DuckDB may read it; only eider writes it.

-- The log of changes: the truth from which everything else can be rebuilt. Its order is (batch, seq).
CREATE TABLE IF NOT EXISTS lake.main.cdc (
    dl_ts        TIMESTAMPTZ,  -- when the batch was written to the lake
    cdc_uuid     UUID,         -- version 7: milliseconds of cdc_ts, then seq; the same on every retry
    cdc_ts       TIMESTAMPTZ,  -- when the changing transaction began
    cdc_op       VARCHAR,      -- I insert, U update, D delete, T truncate
    table_schema VARCHAR,
    table_name   VARCHAR,
    data         JSON,         -- the row after an insert or update, before a delete; NULL for a truncate
    seq          BIGINT,       -- orders the versions of a row; not the order of commits
    xid          BIGINT,       -- the transaction, 64 bits
    batch        BIGINT,       -- the batch that brought it, from 1
    origin       VARCHAR,      -- captured, baseline, correction, repair
    before       JSON,         -- the row before an update, where asked for
    context      JSON,         -- who did it, where asked for
    nested       BOOLEAN       -- captured inside a trigger of another statement
);

CREATE SCHEMA IF NOT EXISTS lake.eider;

-- One row for each batch and, per consumer, exactly one of kind 'epoch': whoever takes a lake over deletes that
-- row and appends its own. DuckLake refuses an append to a table from which another transaction deleted a row:
-- that is the fence.
CREATE TABLE IF NOT EXISTS lake.eider.log (
    kind              VARCHAR,      -- epoch, batch
    consumer          VARCHAR,
    epoch             VARCHAR,      -- uuid of the holder
    batch             BIGINT,
    "cursor"          VARCHAR,      -- pg_snapshot of the source: what it shows is in the lake
    committed_at      TIMESTAMPTZ,
    events            BIGINT,
    bytes             BIGINT,       -- of JSON
    tables            BIGINT,       -- with at least one event
    oldest_ts         TIMESTAMPTZ,  -- of the batch's events
    system_identifier VARCHAR,      -- of the source's cluster
    database          VARCHAR,
    installation      VARCHAR,      -- uuid of the capture installed there
    eider_version     VARCHAR
);

-- What became of the mirror of each source table: the youngest row counts. States: mirrored (its columns stand in
-- eider.columns under the same batch), quarantined, dropped.
CREATE TABLE IF NOT EXISTS lake.eider.tables (
    consumer     VARCHAR,
    rel          BIGINT,       -- oid of the source table
    batch        BIGINT,       -- the batch that made it so
    state        VARCHAR,
    table_schema VARCHAR,      -- of the source table and its mirror
    table_name   VARCHAR,
    storage      VARCHAR,      -- of the source table: another one means that rows were replaced without a trigger
    reason       VARCHAR,
    row_count    BIGINT,       -- of a new copy
    committed_at TIMESTAMPTZ
);

CREATE TABLE IF NOT EXISTS lake.eider.columns (
    consumer    VARCHAR,
    rel         BIGINT,
    batch       BIGINT,
    number      INTEGER,  -- pg_attribute.attnum: a renamed column is the same column
    name        VARCHAR,
    source_type VARCHAR,
    lake_type   VARCHAR,
    key_place   INTEGER   -- in the key, from 1; 0: not part of it
);
