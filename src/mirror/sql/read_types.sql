-- The types {{types}} (an array of oids) and all that they are made of.
WITH RECURSIVE used (oid) AS (
    SELECT unnest({{types}}::oid[])
    UNION
    SELECT part.oid
    FROM used JOIN pg_type AS t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typelem WHERE t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
        UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT a.atttypid FROM pg_attribute AS a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS part (oid)
)
SELECT t.oid::bigint, n.nspname, t.typname, t.typtype, t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc,
       t.typelem::bigint, t.typbasetype::bigint, t.typtypmod, t.typndims,
       coalesce((SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint, a.atttypmod, a.attndims) ORDER BY a.attnum) FROM pg_attribute AS a
                 WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]')
FROM used JOIN pg_type AS t ON t.oid = used.oid JOIN pg_namespace AS n ON n.oid = t.typnamespace
