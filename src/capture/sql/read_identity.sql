SELECT (SELECT system_identifier FROM pg_control_system()), current_database(), id FROM audit.installation
