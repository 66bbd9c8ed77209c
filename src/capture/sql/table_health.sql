-- What is captured how, what waits, and what is wrong. $1: the cursor of the lake.
WITH pending AS (
    SELECT e.rel, count(*) AS events, min(e.ts) AS oldest
    FROM (SELECT rel, xid, ts FROM audit.cdc_1 UNION ALL
          SELECT rel, xid, ts FROM audit.cdc_2 UNION ALL
          SELECT rel, xid, ts FROM audit.cdc_3) AS e
    WHERE NOT pg_visible_in_snapshot(e.xid, $1::pg_snapshot)
    GROUP BY e.rel
), problem AS (
    SELECT p.rel, format('trigger %s is %s', p.name, p.problem)
                  || CASE WHEN p.on_table <> p.rel THEN ' on ' || p.on_table::regclass ELSE '' END AS text
    FROM audit.trigger_problem AS p
    UNION ALL
    SELECT r.rel, format('its filter names column %s, which is gone: no row is recorded', quote_ident(f.key))
    FROM audit.relation AS r CROSS JOIN LATERAL jsonb_each_text(r.filter_columns) AS f
    WHERE r.detached_at IS NULL
      AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = r.rel AND a.attnum = f.value::int2 AND NOT a.attisdropped)
    UNION ALL
    SELECT r.rel, format('%s names column %s, which was renamed or dropped; what it was is still treated so', o.key, quote_ident(c.name))
    FROM audit.relation AS r
    CROSS JOIN LATERAL jsonb_each(r.options) AS o
    CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(o.value) WHEN 'array' THEN o.value ELSE '[]' END) AS c (name)
    WHERE r.detached_at IS NULL
      AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = r.rel AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped)
), problems AS (
    SELECT rel, json_agg(text ORDER BY text) AS texts FROM problem GROUP BY rel
)
SELECT r.schema_name, r.table_name, r.kind, coalesce(p.events, 0), extract(epoch FROM clock_timestamp() - p.oldest)::float8, x.texts,
       -- Columns that came after a list of columns was made: nobody has decided about them yet.
       (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
        WHERE r.column_numbers IS NOT NULL AND a.attrelid = r.rel AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attnum <> ALL (r.column_numbers) AND NOT coalesce(r.options -> 'exclude', '[]') @> to_jsonb(a.attname))
FROM audit.relation AS r
LEFT JOIN pending AS p ON p.rel = r.rel
LEFT JOIN problems AS x ON x.rel = r.rel
WHERE r.kind <> 'partition' AND r.detached_at IS NULL AND EXISTS (SELECT FROM pg_class WHERE oid = r.rel)
   OR p.events > 0 OR x.texts IS NOT NULL
ORDER BY r.schema_name, r.table_name
