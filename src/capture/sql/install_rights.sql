
-- === Rights ==========================================================================================================

-- All capture functions, for the slot that is active now; and the slots as durable as they should be, where nobody is
-- in the way (else at a later release).
DO $eider$
BEGIN
    PERFORM pg_advisory_xact_lock(audit.rotation_lock());
    PERFORM audit.set_slot(i.active_slot) FROM audit.installation AS i;
    PERFORM audit.write_functions();
    IF EXISTS (SELECT FROM pg_class AS c, audit.installation AS i
               WHERE c.oid IN ('audit.cdc_1'::regclass, 'audit.cdc_2'::regclass, 'audit.cdc_3'::regclass)
                 AND (c.relpersistence = 'p') <> (i.durability = 'logged'))
       AND current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM audit.release();
        PERFORM audit.rotate();
        PERFORM audit.release();
    END IF;
END
$eider$;

-- Nothing for PUBLIC. Applications need no right here: a trigger needs none of who fires it.
REVOKE ALL ON SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
DO $eider$
DECLARE
    installed constant audit.installation := (SELECT i FROM audit.installation AS i);
BEGIN
    IF installed.writer <> current_user THEN
        EXECUTE format($sql$
            GRANT USAGE ON SCHEMA audit TO %1$I;
            GRANT USAGE ON SEQUENCE audit.cdc_seq TO %1$I;
            GRANT INSERT (rel, op, nested, data, before, context) ON audit.cdc_1, audit.cdc_2, audit.cdc_3 TO %1$I;
            GRANT EXECUTE ON FUNCTION audit.slot(), audit.has_shape(regclass, int2[], text[]), audit.shape_of(oid, int2[]),
                audit.column_name(oid, int2), audit.key_differs(json, json, oid, int2[]), audit.keyed_hash(text), audit.context(),
                audit.event_sql(oid, integer, text, boolean, boolean) TO %1$I$sql$, installed.writer);
    END IF;
    IF EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = installed.reader) THEN
        EXECUTE format($sql$
            GRANT USAGE ON SCHEMA audit TO %1$I;
            GRANT SELECT ON audit.cdc_1, audit.cdc_2, audit.cdc_3, audit.cdc, audit.cdc_seq, audit.installation, audit.relation,
                audit.consumer, audit.trigger_problem TO %1$I;
            GRANT EXECUTE ON FUNCTION audit.rotate(), audit.release(integer), audit.release(), audit.claim(text, text),
                audit.let_go(text), audit.confirm(text, pg_snapshot, bigint), audit.forget(text), audit.refresh(oid),
                audit.register(oid, jsonb), audit.unregister(oid) TO %1$I;
            -- These have only the rights of who calls them.
            GRANT EXECUTE ON FUNCTION audit.attach(regclass, jsonb, boolean), audit.detach(regclass),
                audit.problems_of(oid), audit.wanted_triggers(oid), audit.kind_of(oid), audit.key_of(oid), audit.key_index(oid),
                audit.trigger_sql(oid, text, integer, text, text, text[], boolean, boolean), audit.normal_options(jsonb),
                audit.check_request(regclass, jsonb), audit.is_plain(jsonb), audit.needs_pairs(jsonb),
                audit.capture(), audit.capture_row(), audit.capture_truncate() TO %1$I$sql$, installed.reader);
    END IF;
END
$eider$;

-- Back to who runs this.
DO $eider$
BEGIN
    PERFORM set_config('role', current_setting('eider.install_user'), false);
    PERFORM set_config('client_min_messages', current_setting('eider.install_notices'), false);
    PERFORM set_config('search_path', current_setting('eider.install_path'), false);
END
$eider$;

-- Triggers of an earlier version do not fit these functions: they change with them, or nothing changes.
DO $eider$
DECLARE
    patience constant text := current_setting('lock_timeout');
    wrong record;
BEGIN
    IF patience = '0' THEN
        PERFORM set_config('lock_timeout', '3s', true);
    END IF;
    FOR wrong IN SELECT p.mend FROM audit.trigger_problem AS p WHERE p.problem IN ('out of date', 'left over') ORDER BY p.problem = 'left over' LOOP
        EXECUTE wrong.mend;
    END LOOP;
    PERFORM set_config('lock_timeout', patience, true);
END
$eider$;
