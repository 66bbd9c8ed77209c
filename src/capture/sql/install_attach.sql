
-- === Tables ==========================================================================================================

-- The captured tables as the catalog has them now.
--
-- kind: statement triggers fire for the table that a statement names. With partitions or inheritance that is not always
-- the one whose rows change: there, row triggers. PostgreSQL copies those of a partitioned table to every partition,
-- also to later ones; members of an inheritance tree have each their own.
-- key: the one that was configured, else the primary key, else the smallest unique index on columns that are never NULL.
CREATE OR REPLACE VIEW audit.captured AS
SELECT r.rel, c.relkind, r.options,
       CASE WHEN c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = r.rel OR i.inhrelid = r.rel)
            THEN 'row' ELSE 'statement' END AS kind,
       CASE WHEN audit.is_plain(r.options) THEN NULL ELSE 'capture_' || r.rel END AS own_function,
       CASE WHEN r.options -> 'key' IS NOT NULL
            THEN ARRAY(SELECT a.attnum FROM jsonb_array_elements_text(r.options -> 'key') WITH ORDINALITY AS k (name, place)
                       JOIN pg_attribute AS a ON a.attrelid = r.rel AND a.attname = k.name AND NOT a.attisdropped ORDER BY k.place)
            ELSE u.key END AS key,
       -- Of a deferred key two rows may swap their values in one statement.
       coalesce(NOT u.indimmediate, false) OR r.options -> 'key' IS NOT NULL AS key_may_swap
FROM audit.relation AS r
JOIN pg_class AS c ON c.oid = r.rel
LEFT JOIN LATERAL (
    SELECT (string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts] AS key, i.indimmediate
    FROM pg_index AS i
    WHERE i.indrelid = r.rel AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = i.indrelid AND NOT a.attnotnull
                        AND a.attnum = ANY ((string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts]))
    ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
    LIMIT 1) AS u ON true
WHERE r.detached_at IS NULL AND r.kind <> 'partition';

-- The triggers that they must have. type: as pg_trigger.tgtype. enabled: as tgenabled: O in ordinary sessions, R under
-- session_replication_role = replica, A in both. Of two row triggers of a table the one that sorts first fires first:
-- the end of an old key comes before the row under its new one.
CREATE OR REPLACE VIEW audit.wanted_trigger AS
SELECT w.rel, w.on_table, w.name, w.type, w.enabled, w.function, w.args, w.old_rows, w.new_rows, w.key
FROM (SELECT c.*, coalesce(c.own_function, 'capture') AS by_statement, coalesce(c.own_function, 'capture_row') AS by_row,
             audit.needs_pairs(c.options) AS pairs, c.options -> 'always' IS NOT NULL AS always,
             array_to_string(c.key, ' ') AS key_text, CASE WHEN c.key_may_swap THEN 'unordered' ELSE 'ordered' END AS sequence
      FROM audit.captured AS c) AS c
CROSS JOIN LATERAL (
    SELECT c.rel, c.rel AS on_table, t.name, t.type, t.enabled, t.function, t.args, t.old_rows, t.new_rows, t.key
    FROM (VALUES
        ('eider_insert',   4, 'O', c.by_statement, '{}'::text[], false, true, NULL::int2[], c.kind = 'statement'),
        ('eider_update',  16, 'O', c.by_statement, '{}', c.pairs, true, NULL, c.kind = 'statement'),
        ('eider_delete',   8, 'O', c.by_statement, '{}', true, false, NULL, c.kind = 'statement'),
        ('eider_truncate', 32, CASE WHEN c.always THEN 'A' ELSE 'O' END, c.by_statement, '{}', false, false, NULL, true),
        ('eider_key',     17, 'O', c.by_row, ARRAY['0', 'key', 'ordered', c.key_text], false, false, c.key,
                          c.kind = 'statement' AND c.key <> '{}'),
        -- What replicates into this database (logical replication) fires row triggers only.
        ('eider_replica_key', 17, 'R', c.by_row, ARRAY['0', 'key', 'ordered', c.key_text], false, false, c.key,
                          c.kind = 'statement' AND c.always AND c.key <> '{}'),
        ('eider_replica_row', 29, 'R', c.by_row, ARRAY['0', 'row', 'ordered'], false, false, NULL, c.kind = 'statement' AND c.always),
        -- A partition gets these under their names: no name that it may have from another life.
        (format('eider_%s_key', c.rel), 17, CASE WHEN c.always THEN 'A' ELSE 'O' END, c.by_row,
                          ARRAY[c.rel::text, 'key', c.sequence, c.key_text], false, false, c.key, c.kind = 'row' AND c.key <> '{}'),
        (format('eider_%s_row', c.rel), 29, CASE WHEN c.always THEN 'A' ELSE 'O' END, c.by_row,
                          ARRAY[c.rel::text, 'row', c.sequence], false, false, NULL, c.kind = 'row')
    ) AS t (name, type, enabled, function, args, old_rows, new_rows, key, is_wanted)
    WHERE t.is_wanted
    UNION ALL
    -- Triggers of TRUNCATE are not copied to partitions; foreign tables can have none.
    SELECT c.rel, p.relid, 'eider_partition_truncate', 32, CASE WHEN c.always THEN 'A' ELSE 'O' END, 'capture_truncate',
           ARRAY[c.rel::text], false, false, NULL
    FROM pg_partition_tree(c.rel) AS p JOIN pg_class AS l ON l.oid = p.relid
    WHERE c.relkind = 'p' AND p.isleaf AND l.relkind = 'r'
) AS w;

-- What is wrong with the triggers of this database: none where all is right.
CREATE OR REPLACE VIEW audit.trigger_problem AS
WITH present AS (
    SELECT t.tgrelid, t.tgname, t.tgtype, t.tgenabled, p.proname, t.tgargs, t.tgoldtable, t.tgnewtable, t.tgqual
    FROM pg_trigger AS t
    JOIN pg_proc AS p ON p.oid = t.tgfoid
    WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'audit')
      AND NOT t.tgisinternal AND t.tgparentid = 0
)
SELECT w.rel, coalesce(w.on_table, t.tgrelid) AS on_table, coalesce(w.name, t.tgname) AS name,
       CASE WHEN t.tgname IS NULL THEN 'missing'
            WHEN w.name IS NULL THEN 'left over'
            WHEN t.tgenabled = 'D' THEN 'disabled'
            WHEN t.tgenabled::text <> w.enabled THEN 'enabled for other sessions'
            ELSE 'out of date' END AS problem,
       w.type, w.enabled, w.function, w.args, w.old_rows, w.new_rows, w.key
FROM audit.wanted_trigger AS w
FULL JOIN present AS t ON t.tgrelid = w.on_table AND t.tgname = w.name
WHERE t.tgname IS NULL OR w.name IS NULL OR t.tgenabled::text <> w.enabled OR t.tgtype <> w.type OR t.proname <> w.function
   OR encode(t.tgargs, 'escape') <> array_to_string(w.args, '\000') || CASE WHEN w.args = '{}' THEN '' ELSE '\000' END
   OR (t.tgoldtable IS NOT NULL) <> w.old_rows OR (t.tgnewtable IS NOT NULL) <> w.new_rows
   OR (t.tgqual IS NOT NULL) <> (w.key IS NOT NULL);

-- Whether an update changed the key, as a condition on OLD and NEW: compared as text where equal is not identical (citext,
-- numeric of another scale, collations that ignore case).
CREATE OR REPLACE FUNCTION audit.key_changed(rel oid, key int2[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT string_agg(format(
        CASE WHEN a.atttypid::regtype::text IN ('smallint', 'integer', 'bigint', 'uuid', 'date', 'timestamp without time zone',
                                                'timestamp with time zone', 'boolean', 'bytea')
               OR a.atttypid::regtype::text IN ('text', 'character varying') AND coalesce(c.collisdeterministic, true)
             THEN 'OLD.%1$I IS DISTINCT FROM NEW.%1$I'
             ELSE 'OLD.%1$I::text IS DISTINCT FROM NEW.%1$I::text' END, a.attname), ' OR ')
    FROM pg_attribute AS a
    LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
    WHERE a.attrelid = rel AND a.attnum = ANY (key)
$eider$;

-- The statements that mend a problem.
CREATE OR REPLACE FUNCTION audit.mend(wrong audit.trigger_problem) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    referenced constant text := concat(CASE WHEN wrong.old_rows THEN ' OLD TABLE AS old_rows' END,
                                       CASE WHEN wrong.new_rows THEN ' NEW TABLE AS new_rows' END);
BEGIN
    IF wrong.problem = 'left over' THEN
        EXECUTE format('DROP TRIGGER %I ON %s', wrong.name, wrong.on_table::regclass);
        RETURN;
    END IF;
    EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s %s FOR EACH %s %s EXECUTE FUNCTION audit.%I(%s)',
        wrong.name,
        CASE wrong.type WHEN 4 THEN 'INSERT' WHEN 8 THEN 'DELETE' WHEN 32 THEN 'TRUNCATE' WHEN 29 THEN 'INSERT OR UPDATE OR DELETE'
                        ELSE 'UPDATE' END,
        wrong.on_table::regclass,
        CASE WHEN referenced <> '' THEN 'REFERENCING' || referenced END,
        CASE WHEN wrong.type & 1 = 1 THEN 'ROW' ELSE 'STATEMENT' END,
        CASE WHEN wrong.key IS NOT NULL THEN format('WHEN (%s)', audit.key_changed(wrong.rel, wrong.key)) END,
        wrong.function,
        (SELECT string_agg(quote_literal(a), ', ') FROM unnest(wrong.args) AS a));
    -- A trigger that was replaced fires in ordinary sessions again.
    IF wrong.enabled <> 'O' THEN
        EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', wrong.on_table::regclass,
                       CASE wrong.enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, wrong.name);
    END IF;
END
$eider$;

-- Notes the partitions of captured tables in the registry, follows renames, and notes what is gone. Returns how many
-- entries it changed. Writes the functions of tables anew whose columns were renamed or dropped.
CREATE OR REPLACE FUNCTION audit.refresh() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    changed bigint := 0;
    n bigint;
    own oid;
BEGIN
    INSERT INTO audit.relation AS r (rel, schema_name, table_name, root, kind)
    SELECT p.relid, s.nspname, l.relname, c.rel, 'partition'
    FROM audit.captured AS c
    CROSS JOIN LATERAL pg_partition_tree(c.rel) AS p
    JOIN pg_class AS l ON l.oid = p.relid
    JOIN pg_namespace AS s ON s.oid = l.relnamespace
    WHERE c.relkind = 'p' AND p.isleaf AND p.relid <> c.rel
      AND NOT EXISTS (SELECT FROM audit.relation AS k
                      WHERE k.rel = p.relid AND k.kind = 'partition' AND k.root = c.rel AND k.detached_at IS NULL)
    ON CONFLICT (rel) DO UPDATE SET root = excluded.root, kind = 'partition', options = '{}', columns = NULL, column_numbers = NULL,
        hashed_numbers = NULL, filter_columns = NULL, spelled_out = NULL, attached_at = now(), detached_at = NULL;
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    UPDATE audit.relation AS r SET schema_name = s.nspname, table_name = c.relname
    FROM pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace
    WHERE c.oid = r.rel AND (r.schema_name, r.table_name) IS DISTINCT FROM (s.nspname::text, c.relname::text);
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    UPDATE audit.relation AS r SET kind = c.kind FROM audit.captured AS c WHERE c.rel = r.rel AND c.kind <> r.kind;
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    UPDATE audit.relation AS r SET detached_at = now()
    WHERE r.detached_at IS NULL
      AND CASE r.kind WHEN 'partition' THEN r.root NOT IN (SELECT a.relid FROM pg_partition_ancestors(r.rel) AS a)
                                         OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = r.rel)
                                         OR NOT EXISTS (SELECT FROM audit.relation AS k WHERE k.rel = r.root AND k.detached_at IS NULL)
                      ELSE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = r.rel) END;
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    FOR own IN
        SELECT r.rel FROM audit.relation AS r
        WHERE r.detached_at IS NULL AND r.spelled_out IS NOT NULL AND r.spelled_out IS DISTINCT FROM audit.spelled_out(r)
    LOOP
        PERFORM pg_advisory_xact_lock(audit.rotation_lock());
        PERFORM audit.write_own_function(own, i.active_slot) FROM audit.installation AS i;
        changed := changed + 1;
    END LOOP;
    -- Functions of tables that are gone. Where the table is still there its triggers need them.
    FOR own IN
        SELECT r.rel FROM audit.relation AS r
        WHERE r.detached_at IS NOT NULL AND to_regprocedure(format('audit.%I()', 'capture_' || r.rel)) IS NOT NULL
          AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgfoid = to_regprocedure(format('audit.%I()', 'capture_' || r.rel)))
    LOOP
        EXECUTE format('DROP FUNCTION audit.%I()', 'capture_' || own);
    END LOOP;
    RETURN changed;
END
$eider$;

-- Enters a table with its options into the registry and writes its function. For members of the owner: `where` is code
-- that runs as the writer, and the others decide what stays secret.
CREATE OR REPLACE FUNCTION audit.define(of oid, options jsonb, filter_columns jsonb, all_columns boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known constant audit.relation := (SELECT k FROM audit.relation AS k WHERE k.rel = of);
    numbers int2[];
    active integer;
BEGIN
    PERFORM pg_advisory_xact_lock(audit.rotation_lock());
    SELECT i.active_slot INTO active FROM audit.installation AS i FOR SHARE;
    IF options -> 'exclude' IS NOT NULL OR options -> 'hash' IS NOT NULL THEN
        SELECT coalesce(array_agg(a.attnum ORDER BY a.attnum), '{}') INTO numbers
        FROM pg_attribute AS a
        WHERE a.attrelid = of AND a.attnum > 0 AND NOT a.attisdropped
          AND NOT coalesce(options -> 'exclude', '[]') @> to_jsonb(a.attname)
          -- A column that came later is left out until somebody decides: by all_columns or with other options.
          AND (all_columns OR known.column_numbers IS NULL OR known.detached_at IS NOT NULL OR known.options IS DISTINCT FROM define.options
               OR a.attnum = ANY (known.column_numbers));
    END IF;
    INSERT INTO audit.relation AS r (rel, schema_name, table_name, kind, options, column_numbers, hashed_numbers, filter_columns)
    SELECT c.oid, s.nspname, c.relname, 'statement', define.options, numbers,
           ARRAY(SELECT a.attnum FROM pg_attribute AS a WHERE a.attrelid = of AND options -> 'hash' @> to_jsonb(a.attname) AND NOT a.attisdropped),
           define.filter_columns
    FROM pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace
    WHERE c.oid = of
    ON CONFLICT (rel) DO UPDATE SET
        schema_name = excluded.schema_name, table_name = excluded.table_name, root = NULL, options = excluded.options,
        kind = CASE r.kind WHEN 'partition' THEN 'statement' ELSE r.kind END,
        columns = NULL, column_numbers = excluded.column_numbers, hashed_numbers = excluded.hashed_numbers,
        filter_columns = excluded.filter_columns, spelled_out = NULL, detached_at = NULL,
        attached_at = CASE WHEN r.detached_at IS NULL THEN r.attached_at ELSE now() END;
    UPDATE audit.relation AS r SET kind = c.kind FROM audit.captured AS c WHERE r.rel = of AND c.rel = of AND c.kind <> r.kind;
    IF NOT audit.is_plain(options) THEN
        PERFORM audit.write_own_function(of, active);
    END IF;
END
$eider$;

-- The same for eider itself, which may attach what appeared, but change nothing that somebody decided.
CREATE OR REPLACE FUNCTION audit.register(of oid, options jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known constant audit.relation := (SELECT k FROM audit.relation AS k WHERE k.rel = of);
BEGIN
    IF options -> 'where' IS NOT NULL AND known.options IS DISTINCT FROM options THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('eider: %s may not set the filter of %s', session_user, of::regclass),
            HINT = format('A filter is code: attach this table as a member of %s.', current_user);
    ELSIF known.options <> options THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('eider: %s may not change how %s is captured', session_user, of::regclass),
            HINT = format('Attach this table as a member of %s.', current_user);
    END IF;
    PERFORM audit.define(of, options, known.filter_columns, false);
END
$eider$;

CREATE OR REPLACE FUNCTION audit.unregister(of oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    IF EXISTS (SELECT FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
               WHERE t.tgrelid = of AND NOT t.tgisinternal AND p.pronamespace = 'audit'::regnamespace) THEN
        RAISE EXCEPTION 'eider: % still has triggers of eider', of::regclass USING HINT = 'Use audit.detach.';
    END IF;
    UPDATE audit.relation AS r SET detached_at = now() WHERE of IN (r.rel, r.root) AND r.detached_at IS NULL;
    PERFORM audit.refresh();
END
$eider$;

-- Options as they are compared and kept: what says nothing is left out.
CREATE OR REPLACE FUNCTION audit.normal_options(options jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT coalesce(jsonb_object_agg(o.key, CASE WHEN o.key IN ('exclude', 'hash')
                                                 THEN (SELECT jsonb_agg(DISTINCT e) FROM jsonb_array_elements(o.value) AS e)
                                                 ELSE o.value END), '{}')
    FROM jsonb_each(options) AS o WHERE o.value NOT IN ('null', 'false', '[]', '""')
$eider$;

-- Says what is wrong with a table or with options that somebody asks for.
CREATE OR REPLACE FUNCTION audit.check_request(of regclass, options jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    class constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = of);
    bad text;
BEGIN
    IF class.relkind NOT IN ('r', 'p') OR class.relpersistence = 't' THEN
        RAISE wrong_object_type USING
            MESSAGE = format('eider: %s is %s, which cannot be captured', of,
                CASE WHEN class.relpersistence = 't' THEN 'temporary'
                     ELSE (SELECT d.description FROM (VALUES ('v', 'a view'), ('m', 'a materialized view'), ('f', 'a foreign table'),
                           ('i', 'an index'), ('S', 'a sequence'), ('c', 'a type')) AS d (kind, description) WHERE d.kind = class.relkind::text) END),
            HINT = 'Attach the tables that its rows come from.';
    ELSIF class.relnamespace::regnamespace::text IN ('pg_catalog', 'information_schema', 'audit', 'pg_toast') THEN
        RAISE wrong_object_type USING MESSAGE = format('eider: %s is not a table of an application', of),
            HINT = 'System tables and those of schema audit are not captured.';
    ELSIF class.relispartition THEN
        RAISE wrong_object_type USING MESSAGE = format('eider: %s is a partition', of),
            HINT = format('Attach %s: its partitions are captured with it.', pg_partition_root(of));
    ELSIF EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = of AND d.deptype = 'e') THEN
        RAISE wrong_object_type USING MESSAGE = format('eider: %s belongs to an extension', of),
            HINT = 'Tables of extensions are not captured.';
    END IF;

    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION 'eider: the options of % are no JSON object', of USING HINT = 'For example: ''{"exclude": ["ssn"], "before": true}''.';
    END IF;
    SELECT string_agg(o.key, ', ') INTO bad FROM jsonb_each(options) AS o
    WHERE jsonb_typeof(o.value) IS DISTINCT FROM
          CASE WHEN o.key IN ('exclude', 'hash', 'key') THEN 'array' WHEN o.key = 'where' THEN 'string'
               WHEN o.key IN ('before', 'context', 'always') THEN 'boolean' END;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'eider: no such option of %, or not of its type: %', of, bad
            USING HINT = 'Options are exclude, hash, key (lists of columns), where (an SQL condition), before, context, always (true or false).';
    END IF;
    SELECT string_agg(DISTINCT x.name, ', ') INTO bad
    FROM jsonb_each(options) AS o CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(o.value) WHEN 'array' THEN o.value ELSE '[]' END) AS x (name)
    WHERE NOT EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = of AND a.attname = x.name AND a.attnum > 0 AND NOT a.attisdropped)
      -- What was there when it was decided may be gone since.
      AND NOT EXISTS (SELECT FROM audit.relation AS k WHERE k.rel = of AND k.detached_at IS NULL AND k.options = check_request.options);
    IF bad IS NOT NULL THEN
        RAISE undefined_column USING MESSAGE = format('eider: %s has no column %s', of, bad), HINT = 'Correct exclude, hash or key.';
    END IF;
END
$eider$;

-- The columns that a filter names: {name: number}. PostgreSQL's own parser says so, of a view that is dropped at once.
CREATE OR REPLACE FUNCTION audit.columns_of_filter(of regclass, filter text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    found_columns jsonb;
    foreign_object text;
BEGIN
    BEGIN
        EXECUTE format(E'CREATE TEMPORARY VIEW eider_filter AS SELECT 1 AS one FROM %s AS r WHERE (%s\n)', of, filter);
    EXCEPTION WHEN syntax_error_or_access_rule_violation OR datatype_mismatch OR invalid_text_representation THEN
        RAISE EXCEPTION 'eider: the filter of % is no condition on its columns: %', of, sqlerrm
            USING HINT = 'Correct where. Functions and types outside of pg_catalog need their schema.';
    END;
    SELECT jsonb_object_agg(a.attname, a.attnum) FILTER (WHERE a.attnum > 0),
           min(pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)) FILTER (WHERE d.refclassid <> 'pg_class'::regclass OR d.refobjid <> of)
    INTO found_columns, foreign_object
    FROM pg_rewrite AS w
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.deptype = 'n'
    LEFT JOIN pg_attribute AS a ON d.refclassid = 'pg_class'::regclass AND d.refobjid = of AND a.attrelid = of AND a.attnum = d.refobjsubid
    WHERE w.ev_class = 'pg_temp.eider_filter'::regclass AND d.refobjid <> w.ev_class;
    DROP VIEW pg_temp.eider_filter;
    IF foreign_object IS NOT NULL THEN
        RAISE feature_not_supported USING MESSAGE = format('eider: the filter of %s uses %s', of, foreign_object),
            HINT = 'A filter may use the columns of its table and what PostgreSQL brings: it runs with the rights of a role that has none.';
    END IF;
    RETURN coalesce(found_columns, '{}');
END
$eider$;

-- Attaches a table: from the commit on each of its changes is recorded. Returns whether there was something to do; where
-- there is not, it takes no lock.
--   exclude  columns that are never recorded (nor read)      before   record the row before an update, too
--   hash     columns of which a keyed hash is recorded       context  record who did it, and eider.context
--   where    SQL on the row's columns: only such rows        always   also under session_replication_role = replica
--   key      columns that identify a row, where no constraint says so
-- all_columns: of a table with exclude or hash, also record the columns that were added since.
-- It never waits longer than lock_timeout, or 3 seconds where there is none: a trigger needs a lock that other writers
-- queue behind.
CREATE OR REPLACE FUNCTION audit.attach(of regclass, options jsonb DEFAULT '{}', all_columns boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    known constant audit.relation := (SELECT k FROM audit.relation AS k WHERE k.rel = of);
    asked constant jsonb := audit.normal_options(options);
    patience constant text := current_setting('lock_timeout');
    filter_columns jsonb;
    wrong audit.trigger_problem;
    changed boolean := false;
BEGIN
    PERFORM audit.check_request(of, asked);
    IF patience = '0' THEN
        PERFORM set_config('lock_timeout', '3s', true);
    END IF;
    IF known.rel IS NULL OR known.detached_at IS NOT NULL OR known.kind = 'partition' OR known.options <> asked OR all_columns THEN
        changed := true;
        IF has_function_privilege('audit.define(oid, jsonb, jsonb, boolean)', 'EXECUTE') THEN
            IF asked -> 'where' IS NOT NULL THEN
                filter_columns := audit.columns_of_filter(of, asked ->> 'where');
            END IF;
            PERFORM audit.define(of, asked, filter_columns, all_columns);
        ELSE
            PERFORM audit.register(of, asked);
        END IF;
    END IF;
    FOR wrong IN
        SELECT p.* FROM audit.trigger_problem AS p WHERE p.rel = of OR p.rel IS NULL AND p.on_table = of
        ORDER BY p.problem = 'left over'
    LOOP
        PERFORM audit.mend(wrong);
        changed := true;
    END LOOP;
    IF changed THEN
        PERFORM audit.refresh();
    END IF;
    PERFORM set_config('lock_timeout', patience, true);
    RETURN changed;
END
$eider$;

-- Takes eider's triggers off a table. What was recorded stays. Returns whether there was something to do.
CREATE OR REPLACE FUNCTION audit.detach(of regclass) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    patience constant text := current_setting('lock_timeout');
    mine record;
    changed boolean := EXISTS (SELECT FROM audit.relation AS k WHERE k.rel = of AND k.detached_at IS NULL);
BEGIN
    IF patience = '0' THEN
        PERFORM set_config('lock_timeout', '3s', true);
    END IF;
    FOR mine IN
        SELECT t.tgname, t.tgrelid::regclass AS on_table FROM pg_trigger AS t
        WHERE NOT t.tgisinternal AND t.tgparentid = 0
          AND t.tgrelid IN (SELECT of UNION SELECT p.relid FROM pg_partition_tree(of) AS p)
          AND t.tgfoid IN (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'audit'::regnamespace)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', mine.tgname, mine.on_table);
        changed := true;
    END LOOP;
    IF changed THEN
        PERFORM audit.unregister(of);
    END IF;
    PERFORM set_config('lock_timeout', patience, true);
    RETURN changed;
END
$eider$;

-- Takes off the trigger that watches a table's key, so that a migration can change the type of a key column or drop it
-- (PostgreSQL refuses that while a trigger's condition names the column). In the same transaction:
--   SELECT audit.free_key('shop.orders'); ALTER TABLE shop.orders ALTER id TYPE bigint; SELECT audit.attach('shop.orders');
CREATE OR REPLACE FUNCTION audit.free_key(of regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    mine record;
BEGIN
    FOR mine IN
        SELECT t.tgname FROM pg_trigger AS t
        WHERE t.tgrelid = of AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgqual IS NOT NULL
          AND t.tgfoid IN (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'audit'::regnamespace)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', mine.tgname, of);
    END LOOP;
END
$eider$;
