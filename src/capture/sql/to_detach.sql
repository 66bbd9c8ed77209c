-- The tables that are attached, or have triggers left over, and are not in $1 ([{"oid": ..., "options": {...}}, ...]).
SELECT c.oid::bigint, n.nspname, c.relname
FROM (SELECT rel FROM audit.relation WHERE detached_at IS NULL AND kind <> 'partition'
      UNION
      SELECT t.tgrelid FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
      WHERE p.pronamespace = 'audit'::regnamespace AND NOT t.tgisinternal AND t.tgparentid = 0
        AND NOT (t.tgname = 'eider_partition_truncate'
                 AND EXISTS (SELECT FROM audit.relation AS r WHERE r.rel = t.tgrelid AND r.kind = 'partition' AND r.detached_at IS NULL))) AS x
JOIN pg_class AS c ON c.oid = x.rel
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid NOT IN (SELECT w.oid FROM jsonb_to_recordset($1::jsonb) AS w (oid oid))
ORDER BY n.nspname, c.relname
