-- With the transaction and time of the change that was in doubt.
SELECT c.data::VARCHAR, c.op, coalesce(b.xid, 0)::BIGINT, coalesce(epoch_us(b.cdc_ts), epoch_us(now()))::BIGINT
FROM temp.eider_corrections AS c LEFT JOIN temp.eider_batch AS b ON b.seq = c.seq
ORDER BY c.op, c.seq
