SELECT seq, xid, ts, rel, op, nested, data, before, context
FROM audit.{{slot}}
WHERE NOT pg_visible_in_snapshot(xid, {{cursor}}::pg_snapshot){{range}}
