
-- === Recording a change ==============================================================================================
--
-- A capture function holds its statements once for each slot, and audit.slot() says which of them run.

-- Functions that the first version had under other names or arguments.
DO $eider$
BEGIN
    IF to_regprocedure('audit.free_key(regclass)') IS NOT NULL THEN
        DROP FUNCTION IF EXISTS audit.free_key(regclass), audit.key_changed(oid, int2[]), audit.wanted_triggers(oid),
            audit.trigger_sql(oid, oid, text, integer, text, text, text[], boolean, boolean, int2[]), audit.spelled_out(audit.relation),
            audit.capture_body(integer), audit.capture_row_body(integer), audit.capture_truncate_body(integer),
            audit.capture_own_body(audit.relation, integer), audit.write_own_function(oid, integer), audit.write_functions(integer);
    END IF;
END
$eider$;

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

-- The active slot. Its text is a constant, which PostgreSQL puts in its place when it plans an expression, and plans anew in
-- all sessions when the function is replaced: to ask costs a statement nothing, and rotation is one CREATE OR REPLACE that
-- locks no table, however many tables are captured. A session that hears of it late writes to the slot that was active:
-- all slots are read, and none is emptied over a row that was not.
CREATE OR REPLACE FUNCTION audit.set_slot(slot integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION audit.slot() RETURNS integer LANGUAGE sql STABLE AS ''SELECT %s''', slot);
END
$eider$;

DO $eider$
BEGIN
    IF to_regprocedure('audit.slot()') IS NULL THEN
        PERFORM audit.set_slot(i.active_slot) FROM audit.installation AS i;
    END IF;
END
$eider$;

-- The three branches of a capture function. statements: what it does, by slot.
CREATE OR REPLACE FUNCTION audit.by_slot(statements text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format('IF audit.slot() = 1 THEN%s    ELSIF audit.slot() = 2 THEN%s    ELSE%s    END IF;', statements[1], statements[2], statements[3])
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
CREATE OR REPLACE FUNCTION audit.capture_body() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format($body$
#variable_conflict use_variable
BEGIN
    %s
    RETURN NULL;
END
$body$, audit.by_slot(array_agg(replace(replace($body$
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
$body$, '{insert}', audit.insert_into(slot, 'rel, op, nested, data')),
        '{insert_truncate}', audit.insert_into(slot, 'rel, op, nested')) ORDER BY slot)))
    FROM generate_series(1, 3) AS slot
$eider$;

-- What a column is called now; NULL: it was dropped. From PostgreSQL's own caches and not from pg_attribute: a transaction
-- that goes on with an old snapshot would find there what the column was called then.
CREATE OR REPLACE FUNCTION audit.column_name(of oid, number int2) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    RETURN nullif((pg_identify_object_as_address('pg_class'::regclass, of, number)).object_names[3], format('........pg.dropped.%s........', number));
END
$eider$;

-- Columns by number and name, as far as they are still there: what a function that spells them out was written for.
CREATE OR REPLACE FUNCTION audit.shape_of(of oid, numbers int2[]) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    shape text[] := '{}';
    number int2;
BEGIN
    FOREACH number IN ARRAY numbers LOOP
        shape := shape || (number || ' ' || audit.column_name(of, number));
    END LOOP;
    RETURN shape;
END
$eider$;

-- Whether that is still so. IMMUTABLE, which it is not: PostgreSQL shall look when it plans the expression, and not each
-- time. It plans anew, in every session, after each change of a table that an expression names as a regclass constant.
CREATE OR REPLACE FUNCTION audit.has_shape(of regclass, numbers int2[], shape text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT audit.shape_of(of, numbers) IS NOT DISTINCT FROM shape
$eider$;

-- Whether two versions of a row, as JSON, have different keys. key: the numbers of its columns, in table `of`.
CREATE OR REPLACE FUNCTION audit.key_differs(old_row json, new_row json, of oid, key int2[]) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    number int2;
    name text;
BEGIN
    FOREACH number IN ARRAY key LOOP
        name := audit.column_name(of, number);
        IF (old_row ->> name = new_row ->> name) IS NOT TRUE THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$eider$;

-- audit.capture_row(): row triggers of plain tables that statement triggers do not serve. Arguments: the oid to report
-- under (0: the table's own); ordered or unordered; the numbers of the key's columns. A key that an update changed ends
-- before the row goes on under its new one. Unordered: one statement may swap keys, and row by row the end of a key could
-- then come after its new beginning. Such events are marked as nested ones are: who needs the last version reads the row.
CREATE OR REPLACE FUNCTION audit.capture_row_body() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format($body$
DECLARE
    rel constant oid := CASE tg_argv[0] WHEN '0' THEN tg_relid ELSE tg_argv[0]::oid END;
    nested constant boolean := pg_trigger_depth() > 1 OR tg_argv[1] = 'unordered' AND tg_op <> 'INSERT';
    old_row constant json := CASE WHEN tg_op = 'DELETE' OR tg_op = 'UPDATE' AND tg_nargs > 2 THEN row_to_json(old) END;
    new_row constant json := CASE WHEN tg_op <> 'DELETE' THEN row_to_json(new) END;
    ends constant boolean := tg_op = 'DELETE' OR tg_op = 'UPDATE' AND tg_nargs > 2 AND audit.key_differs(old_row, new_row, rel, tg_argv[2:]::int2[]);
BEGIN
    %s
    RETURN NULL;
END
$body$, audit.by_slot(array_agg(replace($body$
    IF ends THEN
        {insert}
        VALUES (rel, 'D', nested, old_row);
    END IF;
    IF tg_op = 'UPDATE' THEN
        {insert}
        VALUES (rel, 'U', nested, new_row);
    ELSIF tg_op = 'INSERT' THEN
        {insert}
        VALUES (rel, 'I', nested, new_row);
    END IF;
$body$, '{insert}', audit.insert_into(slot, 'rel, op, nested, data')) ORDER BY slot)))
    FROM generate_series(1, 3) AS slot
$eider$;

-- audit.capture_truncate(): a partition was truncated, by itself or with its root. Reported under its own name: to
-- those who keep only the root's rows, T of a partition says that the rows within these bounds are gone.
CREATE OR REPLACE FUNCTION audit.capture_truncate_body() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format($body$
DECLARE
    root constant oid := tg_argv[0]::oid;
BEGIN
    -- A partition that was detached since is no longer ours.
    IF root NOT IN (SELECT a.relid FROM pg_partition_ancestors(tg_relid) AS a) THEN
        RETURN NULL;
    END IF;
    %s
    RETURN NULL;
END
$body$, audit.by_slot(array_agg(replace($body$
        {insert}
        SELECT tg_relid, 'T', pg_trigger_depth() > 1,
               json_build_object('schema', n.nspname, 'table', c.relname, 'where', pg_get_partition_constraintdef(tg_relid))
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = root;
$body$, '{insert}', audit.insert_into(slot, 'rel, op, nested, data')) ORDER BY slot)))
    FROM generate_series(1, 3) AS slot
$eider$;

-- The primary key of a table, else its smallest unique index on columns that are never NULL.
CREATE OR REPLACE FUNCTION audit.key_index(of oid) RETURNS pg_index
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    RETURN (
        SELECT i FROM pg_index AS i
        WHERE i.indrelid = of AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
          AND NOT EXISTS (SELECT FROM pg_attribute AS a
                          WHERE a.attrelid = of AND NOT a.attnotnull AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
        ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
        LIMIT 1);
END
$eider$;

-- What identifies the rows of a table, by number: the option `key`, else that index. Empty: nothing does.
CREATE OR REPLACE FUNCTION audit.key_of(of oid) RETURNS int2[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    key constant jsonb := (SELECT r.options -> 'key' FROM audit.relation AS r WHERE r.rel = of);
    index pg_index;
BEGIN
    IF key IS NOT NULL THEN
        RETURN ARRAY(SELECT a.attnum FROM jsonb_array_elements_text(key) WITH ORDINALITY AS k (name, place)
                     JOIN pg_attribute AS a ON a.attrelid = of AND a.attname = k.name AND NOT a.attisdropped ORDER BY k.place);
    END IF;
    index := audit.key_index(of);
    RETURN coalesce((index.indkey::int2[])[0:index.indnkeyatts - 1], '{}');
END
$eider$;

-- The key of row r as one text, an expression. As text, because equal is not identical (citext, numeric of another scale,
-- collations that ignore case). It is NULL where a part of the key is. No expression: no key, or a column of it is gone.
CREATE OR REPLACE FUNCTION audit.key_text(of oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT CASE WHEN bool_and(k.name IS NOT NULL) THEN
        CASE count(*) WHEN 1 THEN format('r.%s::text COLLATE pg_catalog."C"', min(k.name))
                      ELSE '(' || string_agg(format('pg_catalog.quote_literal(r.%s::text)', k.name), ' || ' ORDER BY k.place) || ') COLLATE pg_catalog."C"' END END
    FROM (SELECT quote_ident(audit.column_name(of, n.number)), n.place FROM unnest(audit.key_of(of)) WITH ORDINALITY AS n (number, place)) AS k (name, place)
$eider$;

-- Whether the rows of a statement have other keys after it than before, an expression. Sums of 64-bit hashes: one pass over
-- each side, and no join of the two where nothing changed, which is almost always.
CREATE OR REPLACE FUNCTION audit.keys_changed(key_text text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format('(SELECT pg_catalog.sum(pg_catalog.hashtextextended(%1$s, 0)) FROM old_rows AS r)'
                  ' IS DISTINCT FROM (SELECT pg_catalog.sum(pg_catalog.hashtextextended(%1$s, 0)) FROM new_rows AS r)', key_text)
$eider$;

-- FROM and WHERE of the rows whose key a statement ended. FULL JOIN, because a plan that was made for one row would join a
-- million by nested loops, which cannot do that one.
CREATE OR REPLACE FUNCTION audit.ended_keys(key_text text, data text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format('FROM (SELECT %2$s AS data, %1$s AS key FROM old_rows AS r) AS o'
                  ' FULL JOIN (SELECT true AS stays, %1$s AS key FROM new_rows AS r) AS n ON n.key = o.key WHERE n.stays IS NULL', key_text, data)
$eider$;

-- The numbers of all columns that the capture function of a table spells out.
CREATE OR REPLACE FUNCTION audit.spelled_numbers(known audit.relation) RETURNS int2[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    RETURN coalesce(known.column_numbers, '{}') || ARRAY(SELECT f.value::int2 FROM jsonb_each_text(known.filter_columns) AS f) || audit.key_of(known.rel);
END
$eider$;

-- Whether these columns are still called what they were when the function was written: what changed since must break no
-- statement of the application. An expression.
CREATE OR REPLACE FUNCTION audit.is_current(known audit.relation) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT CASE WHEN n.numbers = '{}' THEN 'true'
                ELSE format('audit.has_shape(%L::pg_catalog.regclass, %L, %L)', known.rel, n.numbers, audit.shape_of(known.rel, n.numbers)) END
    FROM (SELECT audit.spelled_numbers(known)) AS n (numbers)
$eider$;

-- audit.capture_<oid>() of a plain table with a key: the trigger of UPDATE. A key that the statement ended comes before the
-- rows that go on, because another row may have taken it. Where a key column is called otherwise than it was, all keys
-- count as ended: one end too many does no harm before the row that goes on.
CREATE OR REPLACE FUNCTION audit.capture_keyed_body(known audit.relation) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format($body$
#variable_conflict use_column
<<eider>>
DECLARE
    rel        constant oid := tg_relid;
    nested     constant boolean := pg_trigger_depth() > 1;
    is_current constant boolean := %s;
    ends       boolean := true;
BEGIN
    IF eider.is_current THEN
        ends := %s;
    END IF;
    %s
    RETURN NULL;
END
$body$, audit.is_current(known), audit.keys_changed(audit.key_text(known.rel)),
        audit.by_slot(array_agg(format($body$
        IF eider.ends AND eider.is_current THEN
            %1$s
            SELECT eider.rel, 'D', eider.nested, o.data %2$s;
        ELSIF eider.ends THEN
            %1$s
            SELECT eider.rel, 'D', eider.nested, pg_catalog.row_to_json(r.*) FROM old_rows AS r;
        END IF;
        %1$s
        SELECT eider.rel, 'U', eider.nested, pg_catalog.row_to_json(r.*) FROM new_rows AS r;
$body$, audit.insert_into(slot, 'rel, op, nested, data'), audit.ended_keys(audit.key_text(known.rel), 'pg_catalog.row_to_json(r.*)')) ORDER BY slot)))
    FROM generate_series(1, 3) AS slot
$eider$;

-- The statement of audit.capture_<oid>() for one kind of event, of a table with options. event: INSERT, UPDATE, DELETE,
-- KEY: the keys that an update ended, where UPDATE itself does not say so (it does where old rows are paired with new
-- ones). With is_dynamic it is for EXECUTE ... USING rel, nested, context, OLD, NEW.
--
-- The columns are spelled out where some are excluded or hashed: an excluded one is not even read. Names come from the
-- catalog by number. A filter that names a renamed column sees it under its old name; one that names a dropped column
-- can decide nothing, and then no row passes: eider's status says so. The table stands in the text as a regclass
-- constant: without, PL/pgSQL would keep a plan for NEW.* when the table changes.
CREATE OR REPLACE FUNCTION audit.event_sql(rel oid, slot integer, event text, is_row boolean, is_dynamic boolean) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known    constant audit.relation := (SELECT k FROM audit.relation AS k WHERE k.rel = event_sql.rel);
    vars     constant text[] := CASE WHEN is_dynamic THEN ARRAY['$1', '$2', '$3'] ELSE ARRAY[format('%L::pg_catalog.regclass', event_sql.rel), 'eider.nested', 'eider.context'] END;
    old_rows constant text := CASE WHEN NOT is_row THEN 'old_rows' WHEN is_dynamic THEN '(SELECT ($4).*)' ELSE '(SELECT OLD.*)' END;
    new_rows constant text := CASE WHEN NOT is_row THEN 'new_rows' WHEN is_dynamic THEN '(SELECT ($5).*)' ELSE '(SELECT NEW.*)' END;
    picked text := 'r.*';
    filter text := known.options ->> 'where';
    key text := audit.key_text(known.rel);
BEGIN
    IF known.column_numbers IS NOT NULL THEN
        -- concat() prints by the type's own output function; a cast could be somebody's function.
        SELECT coalesce(string_agg(
                   CASE WHEN c.number = ANY (known.hashed_numbers)
                        THEN format('CASE WHEN r.%1$I IS NOT NULL THEN audit.keyed_hash(pg_catalog.concat(r.%1$I)) END AS %1$I', c.name)
                        ELSE format('r.%I', c.name) END, ', ' ORDER BY c.number), '')
        INTO picked
        FROM (SELECT n, audit.column_name(known.rel, n) FROM unnest(known.column_numbers) AS n) AS c (number, name) WHERE c.name IS NOT NULL;
    END IF;
    IF filter IS NOT NULL THEN
        SELECT CASE WHEN bool_or(c.name IS NULL) THEN 'false'
                    WHEN bool_or(c.name <> c.old_name) THEN
                        format(E'(SELECT (%s\n) FROM (SELECT %s) AS r)', filter, string_agg(format('r.%I AS %I', coalesce(c.name, c.old_name), c.old_name), ', '))
                    ELSE format(E'(%s\n)', filter) END
        INTO filter
        FROM (SELECT f.key, audit.column_name(known.rel, f.value::int2) FROM jsonb_each_text(known.filter_columns) AS f) AS c (old_name, name);
    END IF;
    filter := coalesce(filter, 'true');

    picked := CASE WHEN picked = 'r.*' THEN 'pg_catalog.row_to_json(r.*)'
                   ELSE format('(SELECT pg_catalog.row_to_json(p.*) FROM (SELECT %s) AS p)', picked) END;

    IF event = 'UPDATE' AND audit.needs_pairs(known.options) THEN
        -- PostgreSQL fills both transition tables row by row (AfterTriggerSaveEvent in trigger.c): the n-th row of one is
        -- the n-th of the other. FULL JOIN: see audit.ended_keys. A row ends that leaves the filter or its key; what ends is
        -- recorded before what goes on, because another row may have taken its key in the same statement.
        RETURN format($sql$%s
            SELECT %s, e.op, %s, e.data, e.before, %s
            FROM (SELECT pg_catalog.row_number() OVER () AS i, COALESCE(%s, false) AS passes, %s AS key, %s AS data FROM %s AS r) AS n
            FULL JOIN (SELECT pg_catalog.row_number() OVER () AS i, COALESCE(%s, false) AS passes, %s AS key, %s AS data FROM %s AS r) AS o
              ON o.i = n.i
            CROSS JOIN LATERAL (VALUES ('D'::"char", o.passes AND (NOT n.passes OR %s), o.data, NULL::json),
                                       ('U', n.passes, n.data, CASE WHEN o.passes AND %s THEN o.data END)) AS e (op, happened, data, before)
            WHERE e.happened
            ORDER BY e.op, n.i$sql$,
            audit.insert_into(slot, 'rel, op, nested, data, before, context'), vars[1], vars[2], vars[3],
            filter, coalesce(key, 'NULL::text'), picked, new_rows, filter, coalesce(key, 'NULL::text'), picked, old_rows,
            -- A key that is gone since the function was written counts as ended, see audit.capture_keyed_body.
            CASE WHEN key IS NOT NULL THEN 'n.key IS DISTINCT FROM o.key' ELSE is_dynamic::text END, (known.options -> 'before' IS NOT NULL)::text);
    ELSIF event = 'KEY' AND NOT is_row AND key IS NOT NULL THEN
        RETURN format($sql$%s
            SELECT %s, 'D', %s, o.data, %s %s$sql$,
            audit.insert_into(slot, 'rel, op, nested, data, context'), vars[1], vars[2], vars[3], audit.ended_keys(key, picked));
    END IF;
    RETURN format($sql$%s
            SELECT %s, '%s', %s, %s, %s FROM %s AS r WHERE %s$sql$,
        audit.insert_into(slot, 'rel, op, nested, data, context'),
        vars[1], CASE event WHEN 'INSERT' THEN 'I' WHEN 'UPDATE' THEN 'U' ELSE 'D' END, vars[2], picked, vars[3],
        CASE WHEN event IN ('INSERT', 'UPDATE') THEN new_rows ELSE old_rows END, filter);
END
$eider$;

-- audit.capture_<oid>(): all triggers of a table with options. Names that could be columns are columns here, because the
-- filter is the user's text; our variables are named with their block. Arguments: of a row trigger as those of
-- audit.capture_row.
CREATE OR REPLACE FUNCTION audit.capture_own_body(known audit.relation) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    watches_key constant boolean := audit.key_text(known.rel) IS NOT NULL AND NOT audit.needs_pairs(known.options);
    by_slot text[];
BEGIN
    SELECT array_agg(format($body$
        IF tg_op = 'TRUNCATE' THEN
            %1$s
            VALUES (eider.rel, 'T', eider.nested, eider.context);
        ELSIF NOT eider.is_current THEN
            IF eider.ends THEN
                EXECUTE audit.event_sql(eider.rel, %2$s, 'KEY', tg_level = 'ROW', true)
                USING eider.rel, eider.nested, eider.context, OLD, NEW;
            END IF;
            EXECUTE audit.event_sql(eider.rel, %2$s, tg_op, tg_level = 'ROW', true)
            USING eider.rel, eider.nested, eider.context, OLD, NEW;
        ELSIF tg_level = 'ROW' THEN
            IF eider.ends THEN
                %3$s;
            END IF;
            IF tg_op = 'INSERT' THEN
                %4$s;
            ELSIF tg_op = 'UPDATE' THEN
                %5$s;
            ELSE
                %6$s;
            END IF;
        ELSIF tg_op = 'INSERT' THEN
            %7$s;
        ELSIF tg_op = 'UPDATE' THEN
            IF eider.ends THEN
                %8$s;
            END IF;
            %9$s;
        ELSE
            %10$s;
        END IF;
$body$,
        audit.insert_into(slot, 'rel, op, nested, context'), slot,
        audit.event_sql(known.rel, slot, 'KEY', true, false), audit.event_sql(known.rel, slot, 'INSERT', true, false),
        audit.event_sql(known.rel, slot, 'UPDATE', true, false), audit.event_sql(known.rel, slot, 'DELETE', true, false),
        audit.event_sql(known.rel, slot, 'INSERT', false, false),
        audit.event_sql(known.rel, slot, 'KEY', false, false), audit.event_sql(known.rel, slot, 'UPDATE', false, false), audit.event_sql(known.rel, slot, 'DELETE', false, false)) ORDER BY slot)
    INTO by_slot FROM generate_series(1, 3) AS slot;
    RETURN format($body$
#variable_conflict use_column
<<eider>>
DECLARE
    rel        constant oid := %s;
    nested     constant boolean := pg_trigger_depth() > 1 OR tg_nargs > 1 AND tg_argv[1] = 'unordered' AND tg_op <> 'INSERT';
    context    constant json := %s;
    is_current constant boolean := %s;
    ends       boolean := false;  -- whether event KEY is to be recorded
BEGIN
    IF tg_op = 'UPDATE' AND %s THEN
        IF tg_level = 'ROW' THEN
            ends := audit.key_differs(row_to_json(OLD), row_to_json(NEW), eider.rel, tg_argv[2:]::int2[]);
        ELSIF eider.is_current THEN
            ends := %s;
        ELSE
            ends := true;
        END IF;
    END IF;
    %s
    RETURN NULL;
END
$body$,
        known.rel, CASE WHEN known.options -> 'context' IS NOT NULL THEN 'audit.context()' ELSE 'NULL' END, audit.is_current(known),
        watches_key::text, CASE WHEN watches_key THEN audit.keys_changed(audit.key_text(known.rel)) ELSE 'false' END, audit.by_slot(by_slot));
END
$eider$;

-- Whether a table has a capture function of its own.
CREATE OR REPLACE FUNCTION audit.has_own_function(known audit.relation) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    RETURN known.detached_at IS NULL AND known.kind <> 'partition'
       AND (NOT audit.is_plain(known.options) OR known.kind = 'statement' AND audit.key_of(known.rel) <> '{}');
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

-- The same for the function of one table; notes what it was written for.
CREATE OR REPLACE FUNCTION audit.write_own_function(rel oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known constant audit.relation := (SELECT k FROM audit.relation AS k WHERE k.rel = write_own_function.rel);
BEGIN
    PERFORM audit.write_function('capture_' || rel, CASE WHEN audit.is_plain(known.options) THEN audit.capture_keyed_body(known)
                                                         ELSE audit.capture_own_body(known) END);
    UPDATE audit.relation AS r SET
        spelled_out = audit.shape_of(r.rel, audit.spelled_numbers(r)),
        columns = CASE WHEN r.column_numbers IS NOT NULL THEN
            ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                  WHERE a.attrelid = r.rel AND a.attnum = ANY (r.column_numbers) AND NOT a.attisdropped ORDER BY a.attnum) END
    WHERE r.rel = known.rel AND r.spelled_out IS DISTINCT FROM audit.shape_of(r.rel, audit.spelled_numbers(r));
END
$eider$;

CREATE OR REPLACE FUNCTION audit.write_functions() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    PERFORM audit.write_function('capture', audit.capture_body());
    PERFORM audit.write_function('capture_row', audit.capture_row_body());
    PERFORM audit.write_function('capture_truncate', audit.capture_truncate_body());
    PERFORM audit.write_own_function(r.rel) FROM audit.relation AS r WHERE audit.has_own_function(r);
END
$eider$;
