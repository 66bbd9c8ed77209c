-- Everything that a pattern could mean, with what decides whether it can be captured.
SELECT c.oid::bigint, n.nspname, c.relname, c.relkind, c.relispartition,
       has_table_privilege(c.oid, 'TRIGGER') AS may_attach,
       EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS of_extension
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'audit') AND n.nspname NOT LIKE 'pg\_toast%'
  AND n.nspname <> $1
  AND NOT EXISTS (SELECT FROM pg_class AS lake WHERE lake.relnamespace = n.oid AND lake.relname = 'ducklake_metadata')
ORDER BY n.nspname, c.relname
