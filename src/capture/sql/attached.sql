SELECT rel::bigint, schema_name, table_name, options FROM audit.relation WHERE detached_at IS NULL
