-- The last change of each key. is_new: the key was not there before the batch. What begins with an insert may have been:
-- of a deferrable key two rows can have the same value until the older one is deleted.
-- in_doubt: the order of capture need not be that of the changes. Inside triggers of other statements it is not; and of
-- one statement that deletes and inserts (MERGE, a writable CTE) the deletes are captured last.
CREATE OR REPLACE TEMP TABLE eider_net AS
WITH keyed AS (
    SELECT {{keys}}, max(seq) AS seq, arg_min(op, seq) = 'I' AND NOT bool_or(op = 'D') AS is_new,
           bool_or(nested) AS is_nested,
           arg_max(xid, seq) FILTER (WHERE op <> 'D') AS writer
    FROM temp.eider_changes GROUP BY {{keys}}
)
SELECT changes.*, keyed.is_new, keyed.is_nested OR coalesce(changes.op = 'D' AND keyed.writer = changes.xid, false) AS in_doubt
FROM temp.eider_changes AS changes JOIN keyed ON keyed.seq = changes.seq
