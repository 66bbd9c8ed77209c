-- Changes with every table, trigger and key that comes, goes or changes: what a sync would have to react to.
SELECT (SELECT count(*) || ':' || coalesce(max(xmin::text::bigint), 0) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_class WHERE relkind IN ('r', 'p'))
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_trigger WHERE NOT tgisinternal)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM pg_index WHERE indisunique)
    || '/' || (SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM audit.relation)
