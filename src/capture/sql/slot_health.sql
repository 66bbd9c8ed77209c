-- Why a slot is not released, without trying it.
WITH slot AS (
    SELECT 1 AS slot, (SELECT count(*) FROM audit.cdc_1) AS rows, 'audit.cdc_1'::regclass AS rel,
           (SELECT EXISTS (SELECT FROM audit.cdc_1 AS e JOIN audit.consumer AS c ON NOT pg_visible_in_snapshot(e.xid, c.cursor))) AS unread
    UNION ALL
    SELECT 2, (SELECT count(*) FROM audit.cdc_2), 'audit.cdc_2'::regclass,
           (SELECT EXISTS (SELECT FROM audit.cdc_2 AS e JOIN audit.consumer AS c ON NOT pg_visible_in_snapshot(e.xid, c.cursor)))
    UNION ALL
    SELECT 3, (SELECT count(*) FROM audit.cdc_3), 'audit.cdc_3'::regclass,
           (SELECT EXISTS (SELECT FROM audit.cdc_3 AS e JOIN audit.consumer AS c ON NOT pg_visible_in_snapshot(e.xid, c.cursor)))
)
SELECT s.slot, s.rows, pg_total_relation_size(s.rel),
       CASE WHEN s.slot = i.active_slot THEN 'active'
            WHEN pg_relation_size(s.rel) = 0 THEN 'empty'
            WHEN s.unread THEN 'holds changes that are not confirmed yet'
            WHEN EXISTS (SELECT FROM pg_locks AS l WHERE l.relation = s.rel AND l.mode = 'RowExclusiveLock' AND l.granted)
                THEN 'a transaction that wrote to it is still open'
            ELSE 'to be released by the next sync' END
FROM slot AS s CROSS JOIN audit.installation AS i
ORDER BY s.slot
