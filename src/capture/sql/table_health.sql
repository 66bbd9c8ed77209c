-- $1: the cursor of the lake.
WITH pending AS (
    SELECT e.rel, count(*) AS events, min(e.ts) AS oldest
    FROM (SELECT rel, xid, ts FROM audit.cdc_1 UNION ALL
          SELECT rel, xid, ts FROM audit.cdc_2 UNION ALL
          SELECT rel, xid, ts FROM audit.cdc_3) AS e
    WHERE NOT pg_visible_in_snapshot(e.xid, $1::pg_snapshot)
    GROUP BY e.rel
)
SELECT r.schema_name, r.table_name, r.kind, coalesce(p.events, 0), extract(epoch FROM clock_timestamp() - p.oldest)::float8,
       CASE WHEN r.detached_at IS NULL THEN (
           SELECT json_agg(CASE WHEN x.problem = 'out of date' THEN 'its triggers are out of date'
                                ELSE 'trigger ' || x.trigger || ' is ' || x.problem END)
           FROM audit.problems_of(r) AS x) END,
       (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
        WHERE r.columns IS NOT NULL AND a.attrelid = r.rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (r.columns))
FROM audit.relation AS r
LEFT JOIN pending AS p ON p.rel = r.rel
WHERE (r.detached_at IS NULL AND EXISTS (SELECT FROM pg_class WHERE oid = r.rel)) OR p.events > 0
ORDER BY r.schema_name, r.table_name
