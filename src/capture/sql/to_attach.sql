-- The tables of $1 ([{"oid": ..., "options": {...}}, ...]) that are not attached as they should be; $2: also look for
-- columns that came later.
SELECT w.oid::bigint
FROM jsonb_to_recordset($1::jsonb) AS w (oid oid, options jsonb)
LEFT JOIN audit.relation AS r ON r.rel = w.oid AND r.detached_at IS NULL AND r.kind <> 'partition'
WHERE r.rel IS NULL OR r.options <> audit.normal_options(w.options)
   OR EXISTS (SELECT FROM audit.problems_of(w.oid))
   OR $2::boolean AND r.column_numbers IS NOT NULL
