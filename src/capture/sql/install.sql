-- eider {{version}}: capture of row changes, schema "audit".
--
-- What this does: makes the change log (three slots, a sequence, a view), the functions that write, rotate and
-- release it, and the roles {{owner_comment}} (owns all of it, cannot log in) and {{role_comment}} (reads and releases). Tables are
-- attached by the statements at the end. Nothing outside of schema "audit" is changed but for triggers named
-- eider_* on the attached tables.
-- Idempotent: run it again after an upgrade of eider, or from a migration (Alembic, Flyway, Rails, sqitch ...).
-- It needs CREATE on the database, and CREATEROLE where the two roles are not there yet.

DO $eider$
DECLARE
    owner constant name := {{owner}};
    role constant name := {{role}};
    wanted name;
BEGIN
    IF current_setting('server_version_num')::int < 140000 THEN
        RAISE EXCEPTION 'eider needs PostgreSQL 14 or later, this is %', current_setting('server_version');
    END IF;
    IF to_regnamespace('audit') IS NOT NULL AND to_regclass('audit.installation') IS NULL
       AND EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('audit')) THEN
        RAISE EXCEPTION 'this database has a schema "audit" that is not eider''s'
            USING HINT = 'Rename that schema; eider needs the name.';
    END IF;
    FOREACH wanted IN ARRAY ARRAY[owner, role] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            IF (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            ELSE
                RAISE NOTICE 'role % is missing and % may not create it: % stands in for it. Capture then runs with the rights of %; let an administrator run: CREATE ROLE % NOLOGIN',
                    wanted, current_user, current_user, current_user, quote_ident(wanted);
            END IF;
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
        -- From PostgreSQL 16 on the creator of a role must grant it to himself before he may act as it.
        IF NOT pg_has_role(current_user, owner, 'USAGE') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', owner);
        END IF;
        IF current_setting('server_version_num')::int >= 160000 AND NOT pg_has_role(current_user, owner, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', owner);
        END IF;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS audit AUTHORIZATION %I', owner);
    ELSE
        CREATE SCHEMA IF NOT EXISTS audit;
    END IF;
END
$eider$;

-- From here on as the owner: what is made belongs to it. RESET ROLE stands at the end.
SELECT set_config('role', pg_get_userbyid(nspowner), false) FROM pg_namespace WHERE nspname = 'audit';

-- Numbers order the versions of a row. LOGGED also where the slots are not: a number is never given out twice.
CREATE SEQUENCE IF NOT EXISTS audit.cdc_seq AS bigint CACHE 1;

CREATE TABLE IF NOT EXISTS audit.installation (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    version      text        NOT NULL,
    durability   text        NOT NULL,  -- unlogged, logged
    active_slot  integer     NOT NULL DEFAULT 1,
    installed_at timestamptz NOT NULL DEFAULT now(),
    one          boolean     PRIMARY KEY DEFAULT true CHECK (one)
);

-- Every table that is or was attached, by oid: an event of a dropped table still has its name.
CREATE TABLE IF NOT EXISTS audit.relation (
    rel          oid         PRIMARY KEY,
    schema_name  text        NOT NULL,
    table_name   text        NOT NULL,
    kind         text        NOT NULL,  -- statement, row
    options      jsonb       NOT NULL DEFAULT '{}',
    columns      text[],                -- those that are recorded, where not simply all
    definition   text,                  -- md5 of the triggers' statements, to find those that are out of date
    attached_at  timestamptz NOT NULL DEFAULT now(),
    detached_at  timestamptz            -- NULL: attached
);

CREATE TABLE IF NOT EXISTS audit.consumer (
    name         text        PRIMARY KEY,
    batch        bigint      NOT NULL DEFAULT 0,
    cursor       pg_snapshot NOT NULL DEFAULT '1:1:',  -- what it shows is in the lake
    epoch        text,                                 -- of the process that worked last
    released_at  timestamptz,                          -- that process ended cleanly then; NULL: it did not, or runs
    confirmed_at timestamptz
);

-- The key of hashed columns. Nobody but the owner reads it.
CREATE TABLE IF NOT EXISTS audit.secret (
    key bytea   NOT NULL,
    one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO audit.secret (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
ON CONFLICT DO NOTHING;

-- The slots. No index: what is written is read once, in whole. No vacuum: rows are never deleted one by one.
DO $eider$
DECLARE
    durability constant text := {{durability}};
    slot text;
BEGIN
    FOREACH slot IN ARRAY ARRAY['cdc_1', 'cdc_2', 'cdc_3'] LOOP
        IF to_regclass('audit.' || slot) IS NULL THEN
            EXECUTE format($sql$
                CREATE %s TABLE audit.%I (
                    seq     bigint      NOT NULL DEFAULT nextval('audit.cdc_seq'),
                    xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
                    ts      timestamptz NOT NULL DEFAULT now(),
                    rel     oid         NOT NULL,
                    op      "char"      NOT NULL,  -- I, U, D, T
                    nested  boolean     NOT NULL,
                    data    json,
                    before  json,
                    context json
                ) WITH (autovacuum_enabled = false)$sql$,
                CASE durability WHEN 'unlogged' THEN 'UNLOGGED' ELSE '' END, slot);
        ELSIF ((SELECT relpersistence FROM pg_class WHERE oid = to_regclass('audit.' || slot))
               <> CASE durability WHEN 'unlogged' THEN 'u' ELSE 'p' END) THEN
            EXECUTE format('LOCK TABLE audit.%I IN ACCESS EXCLUSIVE MODE NOWAIT', slot);
            EXECUTE format('ALTER TABLE audit.%I SET %s', slot, durability);
        END IF;
    END LOOP;
    INSERT INTO audit.installation AS i (version, durability) VALUES ({{version_literal}}, durability)
    ON CONFLICT (one) DO UPDATE SET version = excluded.version, durability = excluded.durability
    WHERE (i.version, i.durability) IS DISTINCT FROM (excluded.version, excluded.durability);
END
$eider$;

-- For people to look at; eider reads the slots.
CREATE OR REPLACE VIEW audit.cdc AS
SELECT e.seq, e.xid, e.ts, e.op, r.schema_name, r.table_name, e.nested, e.data, e.before, e.context, e.rel, e.slot
FROM (SELECT *, 1 AS slot FROM audit.cdc_1 UNION ALL
      SELECT *, 2 FROM audit.cdc_2 UNION ALL
      SELECT *, 3 FROM audit.cdc_3) AS e
LEFT JOIN audit.relation AS r ON r.rel = e.rel;

-- Keyed hash: HMAC-SHA256 (RFC 2104) of a value's text, in hex; NULL stays NULL.
CREATE OR REPLACE FUNCTION audit.pseudonym(value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    k bytea := (SELECT key FROM audit.secret);
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    IF length(k) > 64 THEN
        k := sha256(k);
    END IF;
    FOR i IN 0 .. length(k) - 1 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(k, i) # 54);
        outer_pad := set_byte(outer_pad, i, get_byte(k, i) # 92);
    END LOOP;
    RETURN encode(sha256(outer_pad || sha256(inner_pad || convert_to(value, 'UTF8'))), 'hex');
END
$eider$;

-- Who did it. An application that set eider.context to something else than JSON keeps its statement, and the text.
CREATE OR REPLACE FUNCTION audit.context() RETURNS json
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    given constant text := nullif(current_setting('eider.context', true), '');
    parsed json;
BEGIN
    BEGIN
        parsed := given::json;
    EXCEPTION WHEN invalid_text_representation THEN
        parsed := to_json(given);
    END;
    RETURN json_build_object('session_user', session_user, 'application_name', current_setting('application_name'),
                             'eider', parsed);
END
$eider$;

-- A row without the columns that must not be recorded: the slow way, for a table whose columns have changed since its
-- function was made. A statement of the application must not fail over that, and no secret may come out of it.
CREATE OR REPLACE FUNCTION audit.pick(data json, columns text[], hashed text[]) RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT coalesce(json_object_agg(f.key, CASE WHEN f.key = ANY (hashed) THEN to_json(audit.pseudonym(f.value #>> '{}'))
                                                ELSE f.value END), '{}')
    FROM json_each(data) AS f WHERE f.key = ANY (columns)
$eider$;

CREATE OR REPLACE FUNCTION audit.has_columns(rel oid, columns text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT count(*) = cardinality(columns) FROM pg_attribute AS a
    WHERE a.attrelid = rel AND a.attname = ANY (columns) AND a.attnum > 0 AND NOT a.attisdropped
$eider$;

-- The text of a capture function with its slot written into it: choosing the slot at run time would cost each statement.
-- settings: whatever changes how a value prints is fixed, so that the application's settings do not show in the log.
CREATE OR REPLACE FUNCTION audit.function_text(name text, body text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT format($sql$CREATE OR REPLACE FUNCTION audit.%I() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C'
AS %L$sql$, name, body)
$eider$;

-- The function of all plain tables. Rows are referenced as alias.*: an alias alone would mean the column of that name,
-- where a table has one. For the same reason names mean variables first.
CREATE OR REPLACE FUNCTION audit.plain_body(slot integer) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT replace($body$
#variable_conflict use_variable
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit.{slot} (rel, op, nested, data)
        SELECT TG_RELID, 'I', pg_trigger_depth() > 1, row_to_json(eider_row.*) FROM new_rows AS eider_row;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO audit.{slot} (rel, op, nested, data)
        SELECT TG_RELID, 'U', pg_trigger_depth() > 1, row_to_json(eider_row.*) FROM new_rows AS eider_row;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO audit.{slot} (rel, op, nested, data)
        SELECT TG_RELID, 'D', pg_trigger_depth() > 1, row_to_json(eider_row.*) FROM old_rows AS eider_row;
    ELSE
        INSERT INTO audit.{slot} (rel, op, nested) VALUES (TG_RELID, 'T', pg_trigger_depth() > 1);
    END IF;
    RETURN NULL;
END
$body$, '{slot}', 'cdc_' || slot)
$eider$;

-- Row triggers: changed keys, and tables of a partition tree or of inheritance.
-- Arguments: the oid to report under; 'key' for the trigger that only reports the old key's end.
CREATE OR REPLACE FUNCTION audit.row_body(slot integer) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT replace($body$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO audit.{slot} (rel, op, nested, data)
        VALUES (TG_ARGV[0]::oid, 'T', pg_trigger_depth() > 1, audit.truncated(TG_RELID, TG_ARGV[0]::oid));
    ELSIF TG_OP = 'DELETE' OR TG_ARGV[1] = 'key' THEN
        INSERT INTO audit.{slot} (rel, op, nested, data)
        VALUES (TG_ARGV[0]::oid, 'D', pg_trigger_depth() > 1, row_to_json(OLD));
    ELSE
        INSERT INTO audit.{slot} (rel, op, nested, data)
        VALUES (TG_ARGV[0]::oid, left(TG_OP, 1)::"char", pg_trigger_depth() > 1, row_to_json(NEW));
    END IF;
    RETURN NULL;
END
$body$, '{slot}', 'cdc_' || slot)
$eider$;

-- What a T says besides its table: NULL when all of it was emptied, else the partition that was.
CREATE OR REPLACE FUNCTION audit.truncated(rel oid, root oid) RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT CASE WHEN rel <> root THEN json_build_object('partition', rel::regclass::text) END
$eider$;

-- The function of a table with options of its own. Here names mean columns first: a filter is the user's text.
CREATE OR REPLACE FUNCTION audit.own_body(r audit.relation, slot integer) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    hashed constant text[] := ARRAY(SELECT jsonb_array_elements_text(r.options -> 'hash'));
    before constant boolean := coalesce((r.options ->> 'before')::boolean, false);
    context constant text := CASE WHEN (r.options ->> 'context')::boolean THEN 'audit.context()' ELSE 'NULL::json' END;
    filter constant text := format(E'((%s\n))', coalesce(nullif(r.options ->> 'where', ''), 'true'));
    fast text := 'row_to_json(eider_row.*)';
    slow text;
    template text;
    part text;
BEGIN
    IF r.columns IS NOT NULL THEN
        SELECT format('(SELECT row_to_json(eider_picked.*) FROM (SELECT %s) AS eider_picked)',
                      string_agg(CASE WHEN c = ANY (hashed) THEN format('audit.pseudonym(eider_row.%1$I::text) AS %1$I', c)
                                      ELSE format('eider_row.%I', c) END, ', '))
        INTO fast FROM unnest(r.columns) AS c;
        slow := format('audit.pick(row_to_json(eider_row.*), %L::text[], %L::text[])', r.columns, hashed);
    END IF;
    -- {row}: the recorded form of eider_row; {filter}: whether it is recorded.
    template := $body$
        IF TG_LEVEL = 'ROW' AND (TG_OP = 'DELETE' OR TG_ARGV[1] = 'key') THEN
            INSERT INTO audit.{slot} (rel, op, nested, data, context)
            SELECT eider_rel, 'D', eider_nested, {row}, eider_context FROM (SELECT OLD.*) AS eider_row WHERE {filter};
        ELSIF TG_LEVEL = 'ROW' AND TG_OP = 'INSERT' THEN
            INSERT INTO audit.{slot} (rel, op, nested, data, context)
            SELECT eider_rel, 'I', eider_nested, {row}, eider_context FROM (SELECT NEW.*) AS eider_row WHERE {filter};
        ELSIF TG_LEVEL = 'ROW' THEN
            INSERT INTO audit.{slot} (rel, op, nested, data, before, context)
            SELECT eider_rel, CASE WHEN n.kept THEN 'U' ELSE 'D' END::"char", eider_nested,
                   CASE WHEN n.kept THEN n.data ELSE o.data END, CASE WHEN n.kept AND o.kept AND {before} THEN o.data END, eider_context
            FROM (SELECT {row} AS data, {filter} IS TRUE AS kept FROM (SELECT NEW.*) AS eider_row) AS n,
                 (SELECT {row} AS data, {filter} IS TRUE AS kept FROM (SELECT OLD.*) AS eider_row) AS o
            WHERE n.kept OR o.kept;
        ELSIF TG_OP = 'INSERT' THEN
            INSERT INTO audit.{slot} (rel, op, nested, data, context)
            SELECT eider_rel, 'I', eider_nested, {row}, eider_context FROM new_rows AS eider_row WHERE {filter};
        ELSIF TG_OP = 'UPDATE' AND {pairs} THEN
            -- Both tables are filled row by row in the same order (trigger.c, AfterTriggerSaveEvent): the n-th belongs
            -- to the n-th. A row that leaves the filter ends there; rows that end come before those that go on.
            INSERT INTO audit.{slot} (rel, op, nested, data, before, context)
            SELECT eider_rel, CASE WHEN n.kept THEN 'U' ELSE 'D' END::"char", eider_nested,
                   CASE WHEN n.kept THEN n.data ELSE o.data END, CASE WHEN n.kept AND o.kept AND {before} THEN o.data END, eider_context
            FROM (SELECT row_number() OVER () AS i, {row} AS data, {filter} IS TRUE AS kept FROM new_rows AS eider_row) AS n
            JOIN (SELECT row_number() OVER () AS i, {row} AS data, {filter} IS TRUE AS kept FROM old_rows AS eider_row) AS o
                USING (i)
            WHERE n.kept OR o.kept
            ORDER BY n.kept, i;
        ELSIF TG_OP = 'UPDATE' THEN
            INSERT INTO audit.{slot} (rel, op, nested, data, context)
            SELECT eider_rel, 'U', eider_nested, {row}, eider_context FROM new_rows AS eider_row;
        ELSE
            INSERT INTO audit.{slot} (rel, op, nested, data, context)
            SELECT eider_rel, 'D', eider_nested, {row}, eider_context FROM old_rows AS eider_row WHERE {filter};
        END IF;$body$;
    template := replace(template, '{slot}', 'cdc_' || slot);
    template := replace(template, '{before}', before::text);
    template := replace(template, '{pairs}', (before OR coalesce(r.options ->> 'where', '') <> '')::text);
    -- The user's text last, so that nothing in it is taken for one of our marks.
    part := replace(replace(template, '{row}', fast), '{filter}', filter);
    IF slow IS NOT NULL THEN
        part := format('
    IF audit.has_columns(TG_RELID, %L::text[]) THEN%s
    ELSE%s
    END IF;', r.columns, part, replace(replace(template, '{row}', slow), '{filter}', filter));
    END IF;
    RETURN format('
#variable_conflict use_column
DECLARE
    eider_rel constant oid := coalesce(TG_ARGV[0]::oid, TG_RELID);
    eider_nested constant boolean := pg_trigger_depth() > 1;
    eider_context constant json := %s;
BEGIN
    IF TG_OP = ''TRUNCATE'' THEN
        INSERT INTO audit.cdc_%s (rel, op, nested, data, context)
        VALUES (eider_rel, ''T'', eider_nested, audit.truncated(TG_RELID, eider_rel), eider_context);
        RETURN NULL;
    END IF;%s
    RETURN NULL;
END
', context, slot, part);
END
$eider$;

-- Whether a table's options ask for a function of its own.
CREATE OR REPLACE FUNCTION audit.is_plain(options jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT options - 'always' = '{}'
$eider$;

-- Makes capture functions anew for `slot`: all of them, or the one of `just`.
CREATE OR REPLACE FUNCTION audit.write_functions(slot integer, just oid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    r audit.relation;
    made text;
BEGIN
    IF just IS NULL THEN
        EXECUTE audit.function_text('capture', audit.plain_body(slot));
        EXECUTE audit.function_text('capture_row', audit.row_body(slot));
    END IF;
    FOR r IN SELECT * FROM audit.relation AS x
             WHERE x.detached_at IS NULL AND NOT audit.is_plain(x.options) AND (just IS NULL OR x.rel = just)
    LOOP
        made := 'capture_' || r.rel;
        EXECUTE audit.function_text(made, audit.own_body(r, slot));
        EXECUTE format('REVOKE ALL ON FUNCTION audit.%I() FROM PUBLIC', made);
    END LOOP;
END
$eider$;

-- Makes the next slot the active one, by replacing the capture functions: locks no table. Returns the active slot; it
-- stays what it was when no other slot is empty or another session rotates now.
CREATE OR REPLACE FUNCTION audit.rotate() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    active integer;
    next_slot integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('eider'), hashtext('rotate')) THEN
        RETURN (SELECT active_slot FROM audit.installation);
    END IF;
    SELECT active_slot INTO active FROM audit.installation;
    SELECT s INTO next_slot
    FROM unnest(ARRAY[active % 3 + 1, (active + 1) % 3 + 1]) WITH ORDINALITY AS candidate (s, i)
    WHERE pg_relation_size(format('audit.cdc_%s', s)::regclass) = 0
    ORDER BY i LIMIT 1;
    IF next_slot IS NULL THEN
        RETURN active;
    END IF;
    PERFORM audit.write_functions(next_slot);
    UPDATE audit.installation SET active_slot = next_slot;
    RETURN next_slot;
END
$eider$;

-- Empties a slot. NULL: done; else why not. Waits for nobody: the lock is had at once or not at all, and what was
-- looked at before is looked at again under it.
CREATE OR REPLACE FUNCTION audit.release(slot integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    unread constant text := format(
        'SELECT c.name FROM audit.consumer AS c
         WHERE EXISTS (SELECT FROM audit.cdc_%s AS e WHERE NOT pg_visible_in_snapshot(e.xid, c.cursor)) LIMIT 1', slot);
    waiting text;
BEGIN
    IF slot NOT BETWEEN 1 AND 3 THEN
        RAISE EXCEPTION 'there is no slot %', slot;
    END IF;
    -- The look under the lock must see what was committed a moment ago, not an older snapshot.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'audit.release needs a READ COMMITTED transaction';
    END IF;
    IF slot = (SELECT active_slot FROM audit.installation) THEN
        RETURN 'active';
    END IF;
    IF pg_relation_size(format('audit.cdc_%s', slot)::regclass) = 0 THEN
        RETURN 'empty';
    END IF;
    IF NOT EXISTS (SELECT FROM audit.consumer) THEN
        RETURN 'no consumer has confirmed anything yet';
    END IF;
    EXECUTE unread INTO waiting;
    IF waiting IS NOT NULL THEN
        RETURN format('consumer %s has not read all of it', waiting);
    END IF;
    BEGIN
        EXECUTE format('LOCK TABLE audit.cdc_%s IN ACCESS EXCLUSIVE MODE NOWAIT', slot);
        EXECUTE unread INTO waiting;
        IF waiting IS NOT NULL THEN
            RAISE lock_not_available;  -- lets go of the lock at once
        END IF;
        EXECUTE format('TRUNCATE audit.cdc_%s', slot);
    EXCEPTION WHEN lock_not_available THEN
        RETURN 'a transaction that wrote to it is still open';
    END;
    RETURN NULL;
END
$eider$;

CREATE OR REPLACE FUNCTION audit.claim(consumer text, epoch text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    INSERT INTO audit.consumer AS c (name, epoch) VALUES (claim.consumer, claim.epoch)
    ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, released_at = NULL
$eider$;

CREATE OR REPLACE FUNCTION audit.let_go(consumer text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    UPDATE audit.consumer SET released_at = now() WHERE name = let_go.consumer
$eider$;

CREATE OR REPLACE FUNCTION audit.confirm(consumer text, cursor pg_snapshot, batch bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    UPDATE audit.consumer AS c SET cursor = confirm.cursor, batch = confirm.batch, confirmed_at = now()
    WHERE c.name = confirm.consumer
$eider$;

-- Starts a consumer's count anew: for a lake that begins after others, or after an uninstallation.
CREATE OR REPLACE FUNCTION audit.forget(consumer text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    DELETE FROM audit.consumer WHERE name = forget.consumer
$eider$;

-- The key of a table: its primary key, else a unique index on columns that are never NULL.
CREATE OR REPLACE FUNCTION audit.key_of(rel regclass) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, n)
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.n)
    FROM pg_index AS i
    WHERE i.indrelid = rel AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (SELECT FROM unnest(i.indkey[0:i.indnkeyatts - 1]) AS k (attnum)
                      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE NOT a.attnotnull)
    ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1
$eider$;

-- Whether an update changed the key, as a condition on OLD and NEW. As text where equal is not identical: citext,
-- numeric of another scale, a nondeterministic collation. NULL: the table has no key.
CREATE OR REPLACE FUNCTION audit.key_changed(rel regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT string_agg(format(
        CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'date'::regtype,
                                 'timestamp'::regtype, 'timestamptz'::regtype, 'bool'::regtype, 'bytea'::regtype)
               OR a.atttypid IN ('text'::regtype, 'varchar'::regtype) AND coalesce(c.collisdeterministic, true)
             THEN 'OLD.%1$I IS DISTINCT FROM NEW.%1$I'
             ELSE 'OLD.%1$I::text IS DISTINCT FROM NEW.%1$I::text' END, a.attname), ' OR ')
    FROM unnest(audit.key_of(rel)) AS k (name)
    JOIN pg_attribute AS a ON a.attrelid = rel AND a.attname = k.name
    LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
$eider$;

-- How a table is captured. Statement triggers fire for the table that a statement names: with partitions or
-- inheritance that is not the one whose rows change.
CREATE OR REPLACE FUNCTION audit.kind_of(rel regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT CASE WHEN c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits WHERE rel IN (inhparent, inhrelid))
                THEN 'row' ELSE 'statement' END
    FROM pg_class AS c WHERE c.oid = rel
$eider$;

-- The triggers that a table must have: name, table, statement.
CREATE OR REPLACE FUNCTION audit.triggers_of(rel regclass, options jsonb)
RETURNS TABLE (name text, on_table regclass, statement text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    plain constant boolean := audit.is_plain(options);
    own constant text := format('audit.%I', 'capture_' || rel::oid);
    pairs constant boolean := coalesce((options ->> 'before')::boolean, false) OR coalesce(options ->> 'where', '') <> '';
    key_changed constant text := audit.key_changed(rel);
    for_statement text := CASE WHEN plain THEN 'audit.capture()' ELSE own || '()' END;
    for_row constant text := CASE WHEN plain THEN 'audit.capture_row' ELSE own END;
BEGIN
    IF audit.kind_of(rel) = 'statement' THEN
        RETURN QUERY VALUES
            ('eider_insert', rel, format('AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION %s',
                                         rel, for_statement)),
            ('eider_update', rel, format('AFTER UPDATE ON %s REFERENCING %s NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION %s',
                                         rel, CASE WHEN pairs THEN 'OLD TABLE AS old_rows' ELSE '' END, for_statement)),
            ('eider_delete', rel, format('AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION %s',
                                         rel, for_statement)),
            ('eider_truncate', rel, format('AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s', rel, for_statement));
    ELSE
        RETURN QUERY VALUES
            ('eider_row', rel, format('AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s(%L)',
                                      rel, for_row, rel::oid));
        -- PostgreSQL copies row triggers to partitions, but not those of TRUNCATE.
        RETURN QUERY SELECT 'eider_truncate', t.relid::regclass,
                            format('AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s(%L)', t.relid::regclass, for_row, rel::oid)
                     FROM (SELECT p.relid FROM pg_partition_tree(rel) AS p JOIN pg_class AS c ON c.oid = p.relid WHERE c.relkind IN ('r', 'p')
                           UNION SELECT rel) AS t;
    END IF;
    IF key_changed IS NOT NULL THEN
        RETURN QUERY VALUES ('eider_key', rel, format('AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s(%L, ''key'')',
                                                      rel, key_changed, for_row, rel::oid));
    END IF;
END
$eider$;

-- A fingerprint of what the triggers must be and of what they are.
CREATE OR REPLACE FUNCTION audit.definition_of(rel regclass, options jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT md5(string_agg(w.statement || coalesce(pg_get_triggerdef(t.oid), '-'), E'\n' ORDER BY w.name, w.on_table::oid))
    FROM audit.triggers_of(rel, options) AS w
    LEFT JOIN pg_trigger AS t ON t.tgrelid = w.on_table AND t.tgname = w.name AND NOT t.tgisinternal
$eider$;

-- What is wrong with the triggers of a registered table; no row where all is right.
CREATE OR REPLACE FUNCTION audit.problems_of(of audit.relation)
RETURNS TABLE (trigger text, on_table regclass, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT w.name, w.on_table,
           CASE WHEN t.oid IS NULL THEN 'missing'
                WHEN t.tgenabled = 'D' THEN 'disabled'
                WHEN t.tgenabled <> CASE WHEN (of.options ->> 'always')::boolean THEN 'A' ELSE 'O' END THEN 'not enabled as configured'
                ELSE 'out of date' END
    FROM audit.triggers_of(of.rel::regclass, of.options) AS w
    LEFT JOIN pg_trigger AS t ON t.tgrelid = w.on_table AND t.tgname = w.name AND NOT t.tgisinternal
    WHERE t.oid IS NULL
       OR t.tgenabled <> CASE WHEN (of.options ->> 'always')::boolean THEN 'A' ELSE 'O' END
       OR of.definition IS DISTINCT FROM audit.definition_of(of.rel::regclass, of.options)
$eider$;

-- Notes a table in the registry and makes its function. Options are text that becomes code, and decide what is kept
-- secret: they are for members of the owner; the eider role may only attach plain tables.
CREATE OR REPLACE FUNCTION audit.register(of regclass, options jsonb, all_columns boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known audit.relation;
    left_out text[] := ARRAY(SELECT jsonb_array_elements_text(options -> 'exclude'));
    is_listed constant boolean := options ? 'exclude' OR options ? 'hash';
    listed text[];
BEGIN
    SELECT * INTO known FROM audit.relation WHERE rel = of FOR UPDATE;
    IF (NOT audit.is_plain(options) OR NOT audit.is_plain(coalesce(known.options, '{}')) OR options ? 'always')
       AND known.options IS DISTINCT FROM options AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s may not set capture options of %s', session_user, of),
            HINT = format('Run eider init as a member of %s.', current_user);
    END IF;
    IF is_listed THEN
        SELECT array_agg(attname::text ORDER BY attnum) INTO listed FROM pg_attribute
        WHERE attrelid = of AND attnum > 0 AND NOT attisdropped AND attname <> ALL (left_out);
        -- A column that came later is left out until somebody decides.
        IF NOT all_columns AND known.options IS NOT DISTINCT FROM options AND known.detached_at IS NULL THEN
            listed := known.columns;
        END IF;
    END IF;
    INSERT INTO audit.relation AS r (rel, schema_name, table_name, kind, options, columns)
    SELECT c.oid, n.nspname, c.relname, audit.kind_of(of), register.options, listed
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = of
    ON CONFLICT (rel) DO UPDATE SET
        schema_name = excluded.schema_name, table_name = excluded.table_name, kind = excluded.kind, options = excluded.options,
        columns = excluded.columns, detached_at = NULL,
        attached_at = CASE WHEN r.detached_at IS NULL THEN r.attached_at ELSE now() END;
    IF NOT audit.is_plain(options) THEN
        PERFORM pg_advisory_xact_lock(hashtext('eider'), hashtext('rotate'));
        PERFORM audit.write_functions((SELECT active_slot FROM audit.installation), of);
    END IF;
END
$eider$;

CREATE OR REPLACE FUNCTION audit.note_attached(of regclass) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    UPDATE audit.relation SET definition = audit.definition_of(of, options) WHERE rel = of
$eider$;

CREATE OR REPLACE FUNCTION audit.note_detached(of oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    UPDATE audit.relation SET detached_at = now(), definition = NULL WHERE rel = of AND detached_at IS NULL;
    EXECUTE format('DROP FUNCTION IF EXISTS audit.%I()', 'capture_' || of);
END
$eider$;

-- Brings the names in the registry up to date with renames, and notes tables that are gone. Returns how many changed.
CREATE OR REPLACE FUNCTION audit.refresh_names() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    WITH gone AS (
        UPDATE audit.relation AS r SET detached_at = now(), definition = NULL
        WHERE detached_at IS NULL AND NOT EXISTS (SELECT FROM pg_class WHERE oid = r.rel) RETURNING 1
    ), renamed AS (
        UPDATE audit.relation AS r SET schema_name = n.nspname, table_name = c.relname
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = r.rel AND (r.schema_name, r.table_name) IS DISTINCT FROM (n.nspname::text, c.relname::text) RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM renamed)
$eider$;

-- Attaches a table: from the commit on each of its changes is recorded. Does nothing, and takes no lock, where all is
-- right already. Options: exclude, hash: lists of columns; where: an SQL condition on the row's columns; before,
-- context, always: booleans. all_columns: also record columns that were added to a table with exclude or hash.
CREATE OR REPLACE FUNCTION audit.attach(of regclass, options jsonb DEFAULT '{}', all_columns boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    rel_class constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = of);
    known audit.relation;
    wrong record;
    bad text;
    repaired boolean := false;
BEGIN
    options := jsonb_strip_nulls(options);
    SELECT string_agg(k, ', ') INTO bad FROM jsonb_object_keys(options) AS k
    WHERE k NOT IN ('exclude', 'hash', 'where', 'before', 'context', 'always');
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'eider: unknown capture option of %: %', of, bad
            USING HINT = 'The options are exclude, hash, where, before, context, always.';
    END IF;
    -- What says nothing is left out, so that equal options are equal.
    SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO options FROM jsonb_each(options)
    WHERE value NOT IN ('false', '[]', '""');
    IF rel_class.relkind NOT IN ('r', 'p') OR rel_class.relpersistence = 't' THEN
        RAISE EXCEPTION 'eider: % is not a table that can be captured', of
            USING HINT = 'Views, materialized views, foreign and temporary tables have no row changes that triggers see.';
    END IF;
    IF rel_class.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'audit'::regnamespace) THEN
        RAISE EXCEPTION 'eider: % is a system table or eider''s own', of;
    END IF;
    IF rel_class.relispartition THEN
        RAISE EXCEPTION 'eider: % is a partition', of
            USING HINT = format('Attach its root, %s.', pg_partition_root(of));
    END IF;
    SELECT string_agg(c, ', ') INTO bad
    FROM (SELECT jsonb_array_elements_text(options -> 'exclude') UNION SELECT jsonb_array_elements_text(options -> 'hash')) AS x (c)
    WHERE NOT audit.has_columns(of, ARRAY[c]);
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'eider: % has no column %', of, bad USING HINT = 'Correct exclude and hash.';
    END IF;
    IF options ? 'where' THEN
        EXECUTE format(E'SELECT FROM %s AS eider_row WHERE ((%s\n)) LIMIT 0', of, options ->> 'where');
    END IF;

    SELECT * INTO known FROM audit.relation WHERE rel = of;
    IF known.options IS NOT DISTINCT FROM options AND known.detached_at IS NULL AND NOT all_columns
       AND NOT EXISTS (SELECT FROM audit.problems_of(known)) THEN
        RETURN false;
    END IF;
    PERFORM audit.register(of, options, all_columns);
    FOR wrong IN
        SELECT w.name, w.on_table, w.statement, t.tgenabled FROM audit.triggers_of(of, options) AS w
        LEFT JOIN pg_trigger AS t ON t.tgrelid = w.on_table AND t.tgname = w.name AND NOT t.tgisinternal
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I %s', wrong.name, wrong.statement);
        IF (options ->> 'always')::boolean THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', wrong.on_table, wrong.name);
        ELSIF wrong.tgenabled <> 'O' THEN
            EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', wrong.on_table, wrong.name);
        END IF;
    END LOOP;
    -- Triggers that are ours but no longer wanted: of another kind, or of a key that is gone.
    FOR wrong IN
        SELECT t.tgname, t.tgrelid::regclass AS on_table FROM pg_trigger AS t
        WHERE t.tgrelid = of AND NOT t.tgisinternal AND t.tgparentid = 0
          AND t.tgname IN ('eider_insert', 'eider_update', 'eider_delete', 'eider_truncate', 'eider_key', 'eider_row')
          AND t.tgname NOT IN (SELECT w.name FROM audit.triggers_of(of, options) AS w)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', wrong.tgname, wrong.on_table);
    END LOOP;
    PERFORM audit.note_attached(of);
    RETURN true;
END
$eider$;

-- Takes a table's triggers off. What was recorded stays.
CREATE OR REPLACE FUNCTION audit.detach(of regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    mine record;
BEGIN
    FOR mine IN
        SELECT t.tgname, t.tgrelid::regclass AS on_table FROM pg_trigger AS t
        WHERE NOT t.tgisinternal AND t.tgparentid = 0
          AND t.tgname IN ('eider_insert', 'eider_update', 'eider_delete', 'eider_truncate', 'eider_key', 'eider_row')
          AND (t.tgrelid = of OR t.tgrelid IN (SELECT p.relid FROM pg_partition_tree(of) AS p))
          AND t.tgfoid IN (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'audit'::regnamespace)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', mine.tgname, mine.on_table);
    END LOOP;
    PERFORM audit.note_detached(of);
END
$eider$;

-- All capture functions, for the slot that is active now. Not while another session rotates.
DO $eider$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('eider'), hashtext('rotate'));
    PERFORM audit.write_functions((SELECT active_slot FROM audit.installation));
END
$eider$;

-- Rights: nothing for PUBLIC, reading and releasing for the eider role.
REVOKE ALL ON SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
DO $eider$
DECLARE
    role constant name := {{role}};
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('GRANT USAGE ON SCHEMA audit TO %I', role);
        EXECUTE format('GRANT SELECT ON audit.cdc_1, audit.cdc_2, audit.cdc_3, audit.cdc, audit.cdc_seq,
                        audit.installation, audit.relation, audit.consumer TO %I', role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION audit.claim, audit.let_go, audit.confirm, audit.forget, audit.rotate, audit.release,
                        audit.attach, audit.detach, audit.register, audit.note_attached, audit.note_detached, audit.refresh_names,
                        audit.key_of, audit.key_changed, audit.kind_of, audit.is_plain, audit.has_columns, audit.triggers_of,
                        audit.problems_of, audit.definition_of, audit.capture, audit.capture_row TO %I', role);
    END IF;
END
$eider$;

RESET ROLE;

{{attach}}
