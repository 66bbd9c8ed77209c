
-- === Recording a change ==============================================================================================
--
-- The capture functions are written by the functions here, with the name of the active slot in their text: to choose
-- the slot while they run would cost each statement.

-- HMAC-SHA256 of a value's text under the key of this installation, in hex. NULL stays NULL.
-- As the owner, because whoever records a change must not be able to read the key.
CREATE OR REPLACE FUNCTION audit.keyed_hash(value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    key audit.secret;
BEGIN
    SELECT * INTO key FROM audit.secret;
    RETURN encode(sha256(key.outer_pad || sha256(key.inner_pad || convert_to(value, 'UTF8'))), 'hex');
END
$eider$;

-- Sets the key: for those who need the same hashes in several databases. Changes no hash that is recorded already.
CREATE OR REPLACE FUNCTION audit.set_hash_key(key bytea) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    k constant bytea := CASE WHEN length(key) > 64 THEN sha256(key) ELSE key END;
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. length(k) - 1 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(k, i));
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(k, i));
    END LOOP;
    INSERT INTO audit.secret VALUES (inner_pad, outer_pad)
    ON CONFLICT (one) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad;
END
$eider$;

DO $eider$
BEGIN
    IF NOT EXISTS (SELECT FROM audit.secret) THEN
        PERFORM audit.set_hash_key(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    END IF;
END
$eider$;

-- Who did it. What an application set eider.context to is kept as JSON, or as text where it is none: its statement must
-- not fail over that.
CREATE OR REPLACE FUNCTION audit.context() RETURNS json
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    given constant text := nullif(current_setting('eider.context', true), '');
    parsed json;
BEGIN
    IF given IS NOT NULL THEN
        BEGIN
            parsed := given::json;
        EXCEPTION WHEN others THEN
            parsed := to_json(given);
        END;
    END IF;
    RETURN json_build_object('session_user', session_user, 'application_name', current_setting('application_name'), 'eider', parsed);
END
$eider$;

-- Whether a table has no options that its capture function must know.
CREATE OR REPLACE FUNCTION audit.is_plain(options jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $eider$
    SELECT options - 'always' - 'key' = '{}'
$eider$;

-- Whether its updates are recorded from the row before and the row after.
CREATE OR REPLACE FUNCTION audit.needs_pairs(options jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $eider$
    SELECT options -> 'where' IS NOT NULL OR options -> 'before' IS NOT NULL
$eider$;

-- A capture function. Each setting that changes how a value prints is fixed, so that the application's do not show.
CREATE OR REPLACE FUNCTION audit.function_text(name text, body text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format($sql$CREATE OR REPLACE FUNCTION audit.%I() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
SET extra_float_digits = 3 SET bytea_output = 'hex' SET lc_monetary = 'C'
AS %L$sql$, name, body)
$eider$;

-- What a failing statement of an application shows in its CONTEXT, where the change log cannot be written.
CREATE OR REPLACE FUNCTION audit.insert_into(slot integer, columns text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $eider$
    SELECT format('INSERT /* eider records this change: see "eider doctor"; SELECT audit.detach(''TABLE'') takes eider off a table */ INTO audit.cdc_%s (%s)',
                  slot, columns)
$eider$;

-- audit.capture(): statement triggers of all plain tables. Rows are written r.*, because r alone would mean the column r
-- where there is one; names that could be columns mean our variables.
CREATE OR REPLACE FUNCTION audit.capture_body(slot integer) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT replace(replace($body$
#variable_conflict use_variable
BEGIN
    IF tg_op = 'INSERT' THEN
        {insert}
        SELECT tg_relid, 'I', pg_catalog.pg_trigger_depth() > 1, pg_catalog.row_to_json(r.*) FROM new_rows AS r;
    ELSIF tg_op = 'UPDATE' THEN
        {insert}
        SELECT tg_relid, 'U', pg_catalog.pg_trigger_depth() > 1, pg_catalog.row_to_json(r.*) FROM new_rows AS r;
    ELSIF tg_op = 'DELETE' THEN
        {insert}
        SELECT tg_relid, 'D', pg_catalog.pg_trigger_depth() > 1, pg_catalog.row_to_json(r.*) FROM old_rows AS r;
    ELSE
        {insert_truncate}
        VALUES (tg_relid, 'T', pg_catalog.pg_trigger_depth() > 1);
    END IF;
    RETURN NULL;
END
$body$, '{insert}', audit.insert_into(slot, 'rel, op, nested, data')),
        '{insert_truncate}', audit.insert_into(slot, 'rel, op, nested'))
$eider$;

-- audit.capture_row(): row triggers of all plain tables: the end of a key that an update changed, and tables that
-- statement triggers do not serve. Arguments: the oid to report under (0: the table's own); row or key; ordered or
-- unordered. Unordered: one statement may swap keys, and row by row the end of a key could then come after its new
-- beginning. Such events are marked as nested ones are: who needs the last version reads the row itself.
CREATE OR REPLACE FUNCTION audit.capture_row_body(slot integer) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT replace($body$
DECLARE
    rel constant oid := CASE tg_argv[0] WHEN '0' THEN tg_relid ELSE tg_argv[0]::oid END;
    nested constant boolean := pg_trigger_depth() > 1 OR tg_argv[2] = 'unordered' AND tg_op <> 'INSERT';
BEGIN
    IF tg_op = 'DELETE' OR tg_argv[1] = 'key' THEN
        {insert}
        VALUES (rel, 'D', nested, row_to_json(old));
    ELSIF tg_op = 'UPDATE' THEN
        {insert}
        VALUES (rel, 'U', nested, row_to_json(new));
    ELSE
        {insert}
        VALUES (rel, 'I', nested, row_to_json(new));
    END IF;
    RETURN NULL;
END
$body$, '{insert}', audit.insert_into(slot, 'rel, op, nested, data'))
$eider$;

-- audit.capture_truncate(): a partition was truncated, by itself or with its root. Reported under its own name: to
-- those who keep only the root's rows, T of a partition says that the rows within these bounds are gone.
CREATE OR REPLACE FUNCTION audit.capture_truncate_body(slot integer) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT replace($body$
DECLARE
    root constant oid := tg_argv[0]::oid;
BEGIN
    -- A partition that was detached since is no longer ours.
    IF root IN (SELECT a.relid FROM pg_partition_ancestors(tg_relid) AS a) THEN
        {insert}
        SELECT tg_relid, 'T', pg_trigger_depth() > 1,
               json_build_object('schema', n.nspname, 'table', c.relname, 'where', pg_get_partition_constraintdef(tg_relid))
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = root;
    END IF;
    RETURN NULL;
END
$body$, '{insert}', audit.insert_into(slot, 'rel, op, nested, data'))
$eider$;

-- The statement of audit.capture_<oid>() for one kind of event, of a table with options. event: INSERT, UPDATE, DELETE,
-- KEY. With is_dynamic it is for EXECUTE ... USING rel, nested, context, OLD, NEW.
--
-- The columns are spelled out where some are excluded or hashed: an excluded one is not even read. Names come from the
-- catalog by number. A filter that names a renamed column sees it under its old name; one that names a dropped column
-- can decide nothing, and then no row passes: eider's status says so.
CREATE OR REPLACE FUNCTION audit.event_sql(rel oid, slot integer, event text, is_row boolean, is_dynamic boolean) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known    constant audit.relation := (SELECT k FROM audit.relation AS k WHERE k.rel = event_sql.rel);
    vars     constant text[] := CASE WHEN is_dynamic THEN ARRAY['$1', '$2', '$3'] ELSE ARRAY['eider.rel', 'eider.nested', 'eider.context'] END;
    old_rows constant text := CASE WHEN NOT is_row THEN 'old_rows' WHEN is_dynamic THEN '(SELECT ($4).*)' ELSE '(SELECT OLD.*)' END;
    new_rows constant text := CASE WHEN NOT is_row THEN 'new_rows' WHEN is_dynamic THEN '(SELECT ($5).*)' ELSE '(SELECT NEW.*)' END;
    picked text := 'r.*';
    filter text := known.options ->> 'where';
    renamed text;
BEGIN
    IF known.column_numbers IS NOT NULL THEN
        -- concat() prints by the type's own output function; a cast could be somebody's function.
        SELECT coalesce(string_agg(
                   CASE WHEN a.attnum = ANY (known.hashed_numbers)
                        THEN format('CASE WHEN r.%1$I IS NOT NULL THEN audit.keyed_hash(pg_catalog.concat(r.%1$I)) END AS %1$I', a.attname)
                        ELSE format('r.%I', a.attname) END, ', ' ORDER BY a.attnum), '')
        INTO picked
        FROM pg_attribute AS a WHERE a.attrelid = known.rel AND a.attnum = ANY (known.column_numbers) AND NOT a.attisdropped;
    END IF;
    IF filter IS NOT NULL THEN
        SELECT CASE WHEN bool_or(a.attnum IS NULL) THEN 'false'
                    WHEN bool_or(a.attname <> f.key) THEN
                        format(E'(SELECT (%s\n) FROM (SELECT %s) AS r)', filter, string_agg(format('r.%I AS %I', coalesce(a.attname, f.key), f.key), ', '))
                    ELSE format(E'(%s\n)', filter) END
        INTO filter
        FROM jsonb_each_text(known.filter_columns) AS f
        LEFT JOIN pg_attribute AS a ON a.attrelid = known.rel AND a.attnum = f.value::int2 AND NOT a.attisdropped;
    END IF;
    filter := coalesce(filter, 'true');

    picked := CASE WHEN picked = 'r.*' THEN 'pg_catalog.row_to_json(r.*)'
                   ELSE format('(SELECT pg_catalog.row_to_json(p.*) FROM (SELECT %s) AS p)', picked) END;

    IF event = 'UPDATE' AND audit.needs_pairs(known.options) THEN
        -- PostgreSQL fills both transition tables row by row (AfterTriggerSaveEvent in trigger.c): the n-th row of one is
        -- the n-th of the other. FULL JOIN, because a plan that was made for one row would join a million by nested loops,
        -- which cannot do that one. A row that leaves the filter ends; what ends is recorded before what goes on, because
        -- another row may have taken its key in the same statement.
        RETURN format($sql$%s
            SELECT %s, CASE WHEN n.passes THEN 'U' ELSE 'D' END::"char", %s,
                   CASE WHEN n.passes THEN n.data ELSE o.data END, CASE WHEN n.passes AND o.passes AND %s THEN o.data END, %s
            FROM (SELECT pg_catalog.row_number() OVER () AS i, COALESCE(%s, false) AS passes, %s AS data FROM %s AS r) AS n
            FULL JOIN (SELECT pg_catalog.row_number() OVER () AS i, COALESCE(%s, false) AS passes, %s AS data FROM %s AS r) AS o
              ON o.i = n.i
            WHERE n.passes OR o.passes
            ORDER BY n.passes, n.i$sql$,
            audit.insert_into(slot, 'rel, op, nested, data, before, context'),
            vars[1], vars[2], (known.options -> 'before' IS NOT NULL)::text, vars[3],
            filter, picked, new_rows, filter, picked, old_rows);
    END IF;
    RETURN format($sql$%s
            SELECT %s, '%s', %s, %s, %s FROM %s AS r WHERE %s$sql$,
        audit.insert_into(slot, 'rel, op, nested, data, context'),
        vars[1], CASE event WHEN 'INSERT' THEN 'I' WHEN 'UPDATE' THEN 'U' ELSE 'D' END, vars[2], picked, vars[3],
        CASE WHEN event IN ('INSERT', 'UPDATE') THEN new_rows ELSE old_rows END, filter);
END
$eider$;

-- The names, as they are now, of the columns that a table's capture function spells out; a dropped one has PostgreSQL's
-- placeholder for a name.
CREATE OR REPLACE FUNCTION audit.spelled_out(known audit.relation) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute AS a
    WHERE a.attrelid = known.rel
      AND a.attnum = ANY (known.column_numbers || ARRAY(SELECT f.value::int2 FROM jsonb_each_text(known.filter_columns) AS f))
$eider$;

-- audit.capture_<oid>(): all triggers of a table with options. Names that could be columns are columns here, because the
-- filter is the user's text; our variables are named with their block.
CREATE OR REPLACE FUNCTION audit.capture_own_body(known audit.relation, slot integer) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    names constant text[] := audit.spelled_out(known);
    guard text := 'true';
BEGIN
    IF names IS NOT NULL THEN
        -- A column that was renamed or dropped since must not break a statement of the application.
        guard := format($sql$(SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = %s AND a.attnum = ANY (%L::int2[])) IS NOT DISTINCT FROM %L::text[]$sql$,
            known.rel, known.column_numbers || ARRAY(SELECT f.value::int2 FROM jsonb_each_text(known.filter_columns) AS f), names);
    END IF;
    RETURN format($body$
#variable_conflict use_column
<<eider>>
DECLARE
    rel     constant oid := %1$s;
    nested  constant boolean := pg_trigger_depth() > 1 OR tg_nargs > 2 AND tg_argv[2] = 'unordered' AND tg_op <> 'INSERT';
    context constant json := %2$s;
    event   constant text := CASE WHEN tg_nargs > 1 AND tg_argv[1] = 'key' THEN 'KEY' ELSE tg_op END;
BEGIN
    IF eider.event = 'TRUNCATE' THEN
        %3$s
        VALUES (eider.rel, 'T', eider.nested, eider.context);
    ELSIF NOT (%4$s) THEN
        EXECUTE audit.event_sql(eider.rel, %5$s, eider.event, tg_level = 'ROW', true)
        USING eider.rel, eider.nested, eider.context, OLD, NEW;
    ELSIF tg_level = 'ROW' THEN
        IF eider.event = 'INSERT' THEN
            %6$s;
        ELSIF eider.event = 'UPDATE' THEN
            %7$s;
        ELSE
            %8$s;
        END IF;
    ELSIF eider.event = 'INSERT' THEN
        %9$s;
    ELSIF eider.event = 'UPDATE' THEN
        %10$s;
    ELSE
        %11$s;
    END IF;
    RETURN NULL;
END
$body$,
        known.rel, CASE WHEN known.options -> 'context' IS NOT NULL THEN 'audit.context()' ELSE 'NULL' END,
        audit.insert_into(slot, 'rel, op, nested, context'), guard, slot,
        audit.event_sql(known.rel, slot, 'INSERT', true, false), audit.event_sql(known.rel, slot, 'UPDATE', true, false),
        audit.event_sql(known.rel, slot, 'DELETE', true, false), audit.event_sql(known.rel, slot, 'INSERT', false, false),
        audit.event_sql(known.rel, slot, 'UPDATE', false, false), audit.event_sql(known.rel, slot, 'DELETE', false, false));
END
$eider$;

-- Makes one capture function. The writer owns it: a change is recorded with the writer's rights, which are to add to
-- the slots. Whoever can give a captured column a type of his own can run code with these rights: PostgreSQL calls
-- a type's cast to json.
CREATE OR REPLACE FUNCTION audit.write_function(name text, body text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    installed constant audit.installation := (SELECT i FROM audit.installation AS i);
    signature constant text := format('audit.%I()', name);
BEGIN
    EXECUTE audit.function_text(name, body);
    IF (SELECT p.proowner FROM pg_proc AS p WHERE p.oid = signature::regprocedure) = installed.writer::regrole THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    IF EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = installed.reader) THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', signature, installed.reader);  -- for CREATE TRIGGER
    END IF;
    IF installed.writer <> current_user THEN
        -- A new owner needs CREATE, which it must not keep.
        EXECUTE format('GRANT CREATE ON SCHEMA audit TO %I', installed.writer);
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', signature, installed.writer);
        EXECUTE format('REVOKE CREATE ON SCHEMA audit FROM %I', installed.writer);
    END IF;
END
$eider$;

-- The same for a table with options; notes what the function was written for.
CREATE OR REPLACE FUNCTION audit.write_own_function(rel oid, slot integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known constant audit.relation := (SELECT k FROM audit.relation AS k WHERE k.rel = write_own_function.rel);
BEGIN
    PERFORM audit.write_function('capture_' || rel, audit.capture_own_body(known, slot));
    UPDATE audit.relation AS r SET
        spelled_out = audit.spelled_out(r),
        columns = CASE WHEN r.column_numbers IS NOT NULL THEN
            ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                  WHERE a.attrelid = r.rel AND a.attnum = ANY (r.column_numbers) AND NOT a.attisdropped ORDER BY a.attnum) END
    WHERE r.rel = known.rel AND r.spelled_out IS DISTINCT FROM audit.spelled_out(r);
END
$eider$;

CREATE OR REPLACE FUNCTION audit.write_functions(slot integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    PERFORM audit.write_function('capture', audit.capture_body(slot));
    PERFORM audit.write_function('capture_row', audit.capture_row_body(slot));
    PERFORM audit.write_function('capture_truncate', audit.capture_truncate_body(slot));
    PERFORM audit.write_own_function(r.rel, slot) FROM audit.relation AS r
    WHERE r.detached_at IS NULL AND NOT audit.is_plain(r.options);
END
$eider$;
