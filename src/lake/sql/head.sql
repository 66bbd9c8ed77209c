-- The epoch of a consumer and its last batch, in one row; no row for a consumer that never started.
WITH log AS (
    SELECT * FROM lake.eider.log WHERE consumer = {{consumer}}
),
last AS (
    SELECT * FROM log ORDER BY batch DESC, kind LIMIT 1  -- 'batch' sorts before 'epoch'
)
SELECT epoch.epoch, last."cursor", last.batch, epoch.system_identifier, epoch.database, epoch.installation,
       CASE WHEN last.kind = 'batch' THEN last.committed_at::VARCHAR END AS committed_at
FROM log AS epoch CROSS JOIN last
WHERE epoch.kind = 'epoch'
