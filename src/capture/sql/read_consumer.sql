SELECT batch, cursor, coalesce(epoch, ''), released_at IS NOT NULL FROM audit.consumer WHERE name = $1
