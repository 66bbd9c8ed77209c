INSERT INTO lake.eider.tables BY NAME
SELECT {{consumer}} AS consumer, {{rel}} AS rel, {{batch}} AS batch, {{state}} AS state, {{table_schema}} AS table_schema,
       {{table_name}} AS table_name, {{storage}} AS storage, {{reason}} AS reason, {{row_count}} AS row_count, now() AS committed_at
