SELECT (SELECT max(snapshot_id) FROM ducklake_snapshots('lake'))::BIGINT AS snapshot,
       (SELECT count(*) FROM ducklake_snapshots('lake'))::BIGINT AS snapshots,
       (SELECT coalesce(sum(file_count + delete_file_count), 0) FROM ducklake_table_info('lake'))::BIGINT AS files,
       (SELECT coalesce(sum(file_size_bytes + delete_file_size_bytes), 0) FROM ducklake_table_info('lake'))::BIGINT AS bytes,
       (SELECT coalesce(sum(events), 0) FROM lake.eider.log WHERE kind = 'batch')::BIGINT AS events,
       (SELECT count(*) FROM lake.eider.log WHERE kind = 'batch')::BIGINT AS batches
