SELECT EXISTS (SELECT FROM audit.cdc_1 WHERE NOT pg_visible_in_snapshot(xid, $1::pg_snapshot))
    OR EXISTS (SELECT FROM audit.cdc_2 WHERE NOT pg_visible_in_snapshot(xid, $1::pg_snapshot))
    OR EXISTS (SELECT FROM audit.cdc_3 WHERE NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)),
       pg_current_snapshot()
