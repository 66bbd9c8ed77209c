SELECT who, age FROM (
    SELECT format('pid %s, user %s, database %s, application %s, %s', pid, usename, datname, nullif(application_name, ''), state) AS who,
           extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age
    FROM pg_stat_activity WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    UNION ALL
    SELECT format('prepared transaction %s of %s', quote_literal(gid), owner), extract(epoch FROM clock_timestamp() - prepared)::float8
    FROM pg_prepared_xacts WHERE database = current_database()
) AS t
WHERE age > $1::float8
ORDER BY age DESC
