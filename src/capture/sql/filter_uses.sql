-- What the filter behind the temporary view eider_filter uses besides the columns of its table ($1).
SELECT pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
FROM pg_rewrite AS w
JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.deptype = 'n'
WHERE w.ev_class = 'pg_temp.eider_filter'::regclass AND d.refobjid <> w.ev_class
  AND NOT (d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid)
LIMIT 1
