-- The epoch of a consumer and where it stands, in one row; no row for a consumer that never started.
WITH log AS (
    SELECT * FROM lake.eider.log WHERE consumer = {{consumer}}
),
last AS (
    -- 'epoch' sorts after 'batch': the holder's row is the younger one of the same batch, and may have moved the cursor.
    SELECT * FROM log ORDER BY batch DESC, kind DESC LIMIT 1
)
SELECT epoch.epoch, last."cursor", last.batch, epoch.system_identifier, epoch.database, epoch.installation,
       (SELECT max(committed_at)::VARCHAR FROM log WHERE kind = 'batch') AS committed_at
FROM log AS epoch CROSS JOIN last
WHERE epoch.kind = 'epoch'
