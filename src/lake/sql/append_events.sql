INSERT INTO lake.main.cdc BY NAME
SELECT {{dl_ts}}::TIMESTAMPTZ AS dl_ts, feed.*, {{batch}} AS batch, 'captured' AS origin
FROM eider_feed() AS feed
