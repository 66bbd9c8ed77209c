-- Changes with everything that read_shapes.sql reads. Hashes, because sums of the numbers themselves stay the same now and
-- then: transactions and files are both counted up.
SELECT (SELECT count(*) || ':' || coalesce(sum(hashint8extended(r.xmin::text::bigint, r.rel::bigint)), 0)
                        || ':' || coalesce(sum(hashint8extended(c.xmin::text::bigint, c.oid::bigint)), 0)
                        || ':' || coalesce(sum(hashint8extended(c.relfilenode::bigint, c.oid::bigint)), 0)
        FROM audit.relation AS r LEFT JOIN pg_class AS c ON c.oid = r.rel)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(hashint8extended(a.xmin::text::bigint, a.attrelid::bigint * 2000 + a.attnum)), 0)
               FROM audit.relation AS r JOIN pg_attribute AS a ON a.attrelid = r.rel AND a.attnum > 0 WHERE r.detached_at IS NULL)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(hashint8extended(i.xmin::text::bigint, i.indexrelid::bigint)), 0)
               FROM audit.relation AS r JOIN pg_index AS i ON i.indrelid = r.rel WHERE i.indisunique)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(hashint8extended(xmin::text::bigint, inhrelid::bigint)), 0) FROM pg_inherits)
    || '/' || (SELECT coalesce(sum(hashint8extended(xmin::text::bigint, oid::bigint)), 0) FROM pg_namespace)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(hashint8extended(xmin::text::bigint, oid::bigint)), 0) FROM pg_enum)
