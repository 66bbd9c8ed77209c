-- An installation that came along with a copy of its database is not the one that a lake knows: SourceIdentity::is_copy.
SELECT (SELECT c.system_identifier FROM pg_control_system() AS c), current_database(),
       CASE WHEN i.home = {{here}} THEN i.id::text ELSE 'copied from ' || i.id END
FROM audit.installation AS i
