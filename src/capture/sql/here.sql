(SELECT c.system_identifier FROM pg_control_system() AS c) || '/' || (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
