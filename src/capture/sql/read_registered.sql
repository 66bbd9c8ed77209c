SELECT rel::bigint, schema_name, table_name, detached_at IS NULL AND kind <> 'partition', options FROM audit.relation
