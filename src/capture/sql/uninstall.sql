-- eider {{version}}: takes capture off this database: the triggers named eider_* on attached tables, schema "audit",
-- and the two roles where nothing else uses them. The lake stays. Does nothing where nothing is installed.
-- Run it as the owner of the tables, or as a superuser.

DO $eider$
DECLARE
    mine record;
    gone name;
BEGIN
    IF to_regclass('audit.installation') IS NULL THEN
        RETURN;
    END IF;
    FOR mine IN
        SELECT t.tgname, t.tgrelid::regclass AS on_table FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'audit'::regnamespace AND NOT t.tgisinternal AND t.tgparentid = 0
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', mine.tgname, mine.on_table);
    END LOOP;
    DROP SCHEMA audit CASCADE;
    FOREACH gone IN ARRAY ARRAY[{{role}}, {{owner}}]::name[] LOOP
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = gone AND NOT rolcanlogin AND rolname <> current_user) THEN
                EXECUTE format('DROP ROLE %I', gone);
            END IF;
        EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
            RAISE NOTICE 'role % stays: something else uses it, or % may not drop it', gone, current_user;
        END;
    END LOOP;
END
$eider$;
