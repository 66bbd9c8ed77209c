SELECT CASE WHEN is_called THEN last_value ELSE 0 END, pg_current_snapshot() FROM audit.cdc_seq
