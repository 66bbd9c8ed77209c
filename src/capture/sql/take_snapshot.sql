-- The instant of a batch, and how many pages of each slot it can show.
SELECT pg_current_snapshot(),
       pg_relation_size('audit.cdc_1') / current_setting('block_size')::bigint,
       pg_relation_size('audit.cdc_2') / current_setting('block_size')::bigint,
       pg_relation_size('audit.cdc_3') / current_setting('block_size')::bigint
