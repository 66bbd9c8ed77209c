-- The names that events are reported under, also of tables that are gone.
SELECT rel::oid::bigint, schema_name, table_name FROM audit.relation
