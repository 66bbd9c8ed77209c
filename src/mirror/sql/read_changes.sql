-- The changes of one table in this batch, typed.
CREATE OR REPLACE TEMP TABLE eider_changes AS
SELECT seq, xid, op, nested, unnest(columns)
FROM (SELECT seq, xid, cdc_op AS op, nested, {{row_function}}(data) AS columns
      FROM temp.eider_batch WHERE rel = {{rel}} AND cdc_op IN ('I', 'U', 'D'))
