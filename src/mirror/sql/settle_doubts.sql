-- What the source says about the keys in doubt takes the place of what was captured. eider_fresh: their rows as of the
-- batch's snapshot, {{row}} the same as JSON; a key without a row is gone.
CREATE OR REPLACE TEMP TABLE eider_corrections AS
SELECT fresh.{{row}} AS data, 'U' AS op, net.seq
FROM temp.eider_fresh AS fresh LEFT JOIN temp.eider_net AS net ON {{fresh_is_net}}
WHERE net.seq IS NULL OR net.op = 'D' OR ({{net_columns}}) IS DISTINCT FROM ({{fresh_columns}})
UNION ALL
SELECT batch.data, 'D', net.seq
FROM temp.eider_net AS net JOIN temp.eider_batch AS batch ON batch.seq = net.seq
WHERE net.in_doubt AND net.op <> 'D' AND NOT EXISTS (FROM temp.eider_fresh AS fresh WHERE {{fresh_is_net}});

UPDATE temp.eider_net SET op = 'D', is_new = false, wrong = NULL WHERE in_doubt;
DELETE FROM temp.eider_net AS net WHERE EXISTS (FROM temp.eider_fresh AS fresh WHERE {{fresh_is_net}});
INSERT INTO temp.eider_net BY NAME
SELECT fresh.* EXCLUDE ({{row}}), 0 AS seq, 0 AS xid, 'U' AS op, false AS nested, false AS is_new, true AS in_doubt
FROM temp.eider_fresh AS fresh
