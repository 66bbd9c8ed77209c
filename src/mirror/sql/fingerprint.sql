-- Changes with everything that read_shapes.sql reads.
SELECT (SELECT count(*) || ':' || coalesce(sum(r.xmin::text::bigint), 0) || ':' || coalesce(sum(c.xmin::text::bigint # c.relfilenode::bigint), 0)
        FROM audit.relation AS r LEFT JOIN pg_class AS c ON c.oid = r.rel)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(a.xmin::text::bigint), 0)
               FROM audit.relation AS r JOIN pg_attribute AS a ON a.attrelid = r.rel AND a.attnum > 0 WHERE r.detached_at IS NULL)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(i.xmin::text::bigint), 0)
               FROM audit.relation AS r JOIN pg_index AS i ON i.indrelid = r.rel WHERE i.indisunique)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_inherits)
    || '/' || (SELECT coalesce(sum(xmin::text::bigint), 0) FROM pg_namespace)
