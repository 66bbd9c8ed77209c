-- The youngest state of each mirror, with the columns that it got then.
WITH last AS (
    SELECT * FROM lake.eider.tables WHERE consumer = {{consumer}}
    QUALIFY row_number() OVER (PARTITION BY rel ORDER BY batch DESC) = 1
)
SELECT last.rel, last.state, last.table_schema, last.table_name, last.storage, last.reason,
       c.number, c.name, c.source_type, c.lake_type, c.key_place, last.batch
FROM last LEFT JOIN lake.eider.columns AS c USING (consumer, rel, batch)
ORDER BY last.rel, c.number
