-- Changes with every table, trigger, key and spelled-out column that comes, goes or changes: what a sync would have to
-- react to. eider's own schema is left out: a slot that was emptied is no news.
SELECT (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace <> 'audit'::regnamespace)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_trigger WHERE NOT tgisinternal)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_index WHERE indisunique)
    || '/' || (SELECT count(*) FROM pg_inherits)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_namespace)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM audit.relation)
    || '/' || (SELECT coalesce(sum(a.xmin::text::bigint), 0) FROM audit.relation AS r JOIN pg_attribute AS a ON a.attrelid = r.rel
               WHERE r.detached_at IS NULL AND r.spelled_out IS NOT NULL)
