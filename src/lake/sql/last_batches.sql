-- The last batch of each table. Read from the log of changes: nothing else has to be kept in step with it.
SELECT table_schema, table_name, max(batch) AS batch, max(dl_ts)::VARCHAR AS dl_ts
FROM lake.main.cdc GROUP BY ALL
