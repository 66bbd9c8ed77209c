-- eider: takes capture off this database: the triggers called eider_..., what is in schema "audit", and the roles that
-- the installation made, where nothing else uses them. The lake stays. Where nothing is installed it does nothing.
-- Run it as the owner of the captured tables who is also a member of the owner of schema "audit", or as a superuser.

DO $eider$
DECLARE
    path constant text := current_setting('search_path');
    made name[];
    mine record;
    gone name;
BEGIN
    IF pg_catalog.to_regclass('audit.installation') IS NULL THEN
        RETURN;
    END IF;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    made := (SELECT i.made_roles FROM audit.installation AS i);
    FOR mine IN
        SELECT t.tgname, t.tgrelid::regclass AS on_table FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'audit'::regnamespace AND NOT t.tgisinternal AND t.tgparentid = 0
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', mine.tgname, mine.on_table);
    END LOOP;
    DROP VIEW audit.cdc, audit.trigger_problem;
    DROP TABLE audit.cdc_1, audit.cdc_2, audit.cdc_3, audit.installation, audit.consumer, audit.secret;
    -- Whatever depends on the functions is in them; what else there is in the schema is not ours.
    FOR mine IN
        SELECT p.oid::regprocedure AS signature FROM pg_proc AS p WHERE p.pronamespace = 'audit'::regnamespace
        ORDER BY p.oid DESC
    LOOP
        EXECUTE format('DROP FUNCTION %s', mine.signature);
    END LOOP;
    DROP TABLE audit.relation;
    DROP SEQUENCE audit.cdc_seq;
    IF EXISTS (SELECT FROM pg_depend AS d
               WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = 'audit'::regnamespace AND d.deptype = 'n') THEN
        RAISE NOTICE 'eider: schema "audit" stays: it holds things that are not eider''s';
    ELSE
        DROP SCHEMA audit;
    END IF;
    -- Members of the owner's role before the role itself; not who has been made a role to work with since.
    FOREACH gone IN ARRAY made LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = gone AND NOT r.rolcanlogin);
        BEGIN
            IF EXISTS (SELECT FROM pg_auth_members AS m
                       WHERE m.roleid = gone::regrole AND m.member NOT IN (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = ANY (made))
                         AND m.member <> current_user::regrole) THEN
                RAISE NOTICE 'eider: role % stays: it has members', gone;
            ELSE
                EXECUTE format('DROP ROLE %I', gone);
            END IF;
        EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege OR object_in_use THEN
            RAISE NOTICE 'eider: role % stays: something else uses it, or % may not drop it', gone, current_user;
        END;
    END LOOP;
    PERFORM pg_catalog.set_config('search_path', path, true);
END
$eider$;
