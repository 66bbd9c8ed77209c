INSERT INTO lake.main.cdc BY NAME
SELECT {{dl_ts}}::TIMESTAMPTZ AS dl_ts, events.* EXCLUDE (rel), {{batch}} AS batch, {{origin}} AS origin
FROM {{events}} AS events
