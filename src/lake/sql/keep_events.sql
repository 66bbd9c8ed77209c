-- The events of the batch at hand, for what else is made of them. Larger ones spill to disk.
CREATE OR REPLACE TEMP TABLE eider_batch AS SELECT * FROM eider_feed()
