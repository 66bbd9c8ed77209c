
-- === Tables ==========================================================================================================

-- How a table is captured. Statement triggers fire for the table that a statement names; with partitions or inheritance
-- that is not always the one whose rows change: there, row triggers. PostgreSQL copies those of a partitioned table to
-- every partition, also to later ones; members of an inheritance tree have each their own.
CREATE OR REPLACE FUNCTION audit.kind_of(of oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
BEGIN
    RETURN CASE WHEN (SELECT c.relkind = 'p' FROM pg_class AS c WHERE c.oid = of)
                  OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = of)
                  OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = of)
                THEN 'row' ELSE 'statement' END;
END
$eider$;

-- The triggers that an attached table must have. type: as pg_trigger.tgtype. enabled: as tgenabled: O in ordinary
-- sessions, R under session_replication_role = replica, A in both.
CREATE OR REPLACE FUNCTION audit.wanted_triggers(of oid)
RETURNS TABLE (on_table oid, name text, type integer, enabled text, function text, args text[], old_rows boolean, new_rows boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    options  constant jsonb := (SELECT r.options FROM audit.relation AS r WHERE r.rel = of);
    key      constant text[] := audit.key_of(of)::text[];
    own      constant text := 'capture_' || of;
    plain    constant boolean := audit.is_plain(options);
    by_statement constant text := CASE WHEN plain THEN 'capture' ELSE own END;
    by_row   constant text := CASE WHEN plain THEN 'capture_row' ELSE own END;
    always   constant boolean := options -> 'always' IS NOT NULL;
    on_all   constant text := CASE WHEN always THEN 'A' ELSE 'O' END;
    -- Of a deferrable key two rows may swap their values in one statement, and of one that no index watches.
    sequence constant text := CASE WHEN options -> 'key' IS NULL AND (audit.key_index(of)).indimmediate THEN 'ordered' ELSE 'unordered' END;
BEGIN
    RETURN QUERY VALUES (of, 'eider_truncate', 32, on_all, by_statement, '{}'::text[], false, false);
    IF audit.kind_of(of) = 'statement' THEN
        RETURN QUERY VALUES
            (of, 'eider_insert',  4, 'O', by_statement, '{}'::text[], false, true),
            (of, 'eider_update', 16, 'O', CASE WHEN key <> '{}' THEN own ELSE by_statement END, '{}', key <> '{}' OR audit.needs_pairs(options), true),
            (of, 'eider_delete',  8, 'O', by_statement, '{}', true, false);
        -- Logical replication into this database fires row triggers only.
        IF always THEN
            RETURN QUERY VALUES (of, 'eider_replica_row', 29, 'R', by_row, ARRAY['0', sequence] || key, false, false);
        END IF;
        RETURN;
    END IF;
    -- Copies of this come to partitions by name: no name that a table may bring along from a life of its own.
    RETURN QUERY VALUES (of, format('eider_%s_row', of), 29, on_all, by_row, ARRAY[of::text, sequence] || key, false, false);
    -- Triggers of TRUNCATE are not copied; foreign tables cannot have any.
    RETURN QUERY SELECT p.relid::oid, 'eider_partition_truncate', 32, on_all, 'capture_truncate', ARRAY[of::text], false, false
                 FROM pg_partition_tree(of) AS p JOIN pg_class AS c ON c.oid = p.relid
                 WHERE p.isleaf AND p.relid <> of AND c.relkind = 'r';
END
$eider$;

-- The statement that makes a trigger.
CREATE OR REPLACE FUNCTION audit.trigger_sql(on_table oid, name text, type integer, enabled text, function text, args text[],
                                             old_rows boolean, new_rows boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT concat(
        format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s ', name,
               CASE type WHEN 4 THEN 'INSERT' WHEN 8 THEN 'DELETE' WHEN 32 THEN 'TRUNCATE' WHEN 29 THEN 'INSERT OR UPDATE OR DELETE' ELSE 'UPDATE' END,
               on_table::regclass),
        CASE WHEN old_rows OR new_rows THEN 'REFERENCING ' END,
        CASE WHEN old_rows THEN 'OLD TABLE AS old_rows ' END,
        CASE WHEN new_rows THEN 'NEW TABLE AS new_rows ' END,
        CASE WHEN type & 1 = 1 THEN 'FOR EACH ROW ' ELSE 'FOR EACH STATEMENT ' END,
        format('EXECUTE FUNCTION audit.%I(%s)', function, (SELECT string_agg(quote_literal(a), ', ') FROM unnest(args) AS a)),
        -- One that was replaced fires in ordinary sessions again.
        CASE WHEN enabled <> 'O' THEN
            format('; ALTER TABLE %s ENABLE %s TRIGGER %I', on_table::regclass, CASE enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, name) END)
$eider$;

-- What is wrong with the triggers of an attached table, and what mends it. No row where all is right.
CREATE OR REPLACE FUNCTION audit.problems_of(of oid) RETURNS TABLE (on_table oid, name text, problem text, mend text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    ours constant oid := (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'audit');
    known text[] := '{}';
    w record;
    t record;
BEGIN
    FOR w IN SELECT * FROM audit.wanted_triggers(of) LOOP
        IF w.on_table = of THEN
            known := known || w.name;
        END IF;
        on_table := w.on_table;
        name := w.name;
        SELECT x.tgenabled, x.tgtype, x.tgargs, x.tgoldtable, x.tgnewtable, x.tgqual, p.proname, p.pronamespace INTO t
        FROM pg_trigger AS x JOIN pg_proc AS p ON p.oid = x.tgfoid WHERE x.tgrelid = w.on_table AND x.tgname = w.name;
        problem := CASE
            WHEN NOT FOUND THEN 'missing'
            WHEN t.tgenabled = 'D' THEN 'disabled'
            WHEN t.tgenabled::text <> w.enabled THEN 'enabled for other sessions'
            WHEN t.tgtype <> w.type OR t.proname <> w.function OR t.pronamespace <> ours
              OR encode(t.tgargs, 'escape') <> array_to_string(w.args, '\000') || CASE WHEN w.args = '{}' THEN '' ELSE '\000' END
              OR (t.tgoldtable IS NOT NULL) <> w.old_rows OR (t.tgnewtable IS NOT NULL) <> w.new_rows
              OR t.tgqual IS NOT NULL THEN 'out of date'
            -- A copy on a partition that somebody switched off.
            WHEN w.on_table = of AND w.type & 1 = 1 AND EXISTS (
                SELECT FROM pg_partition_tree(of) AS part JOIN pg_trigger AS copy ON copy.tgrelid = part.relid
                WHERE copy.tgname = w.name AND copy.tgenabled::text <> w.enabled) THEN 'disabled on a partition' END;
        IF problem IS NOT NULL THEN
            mend := audit.trigger_sql(w.on_table, w.name, w.type, w.enabled, w.function, w.args, w.old_rows, w.new_rows);
            IF problem = 'disabled on a partition' THEN
                mend := format('ALTER TABLE %1$s ENABLE %2$s TRIGGER %3$I', of::regclass, CASE WHEN w.enabled = 'A' THEN 'ALWAYS' END, w.name);
            END IF;
            RETURN NEXT;
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT x.tgrelid, x.tgname::text, 'left over', format('DROP TRIGGER %I ON %s', x.tgname, x.tgrelid::regclass)
        FROM pg_trigger AS x JOIN pg_proc AS p ON p.oid = x.tgfoid
        WHERE x.tgrelid = of AND p.pronamespace = ours AND NOT x.tgisinternal AND x.tgparentid = 0 AND x.tgname <> ALL (known);
END
$eider$;

-- What is wrong in the whole database: also triggers on tables that are not attached (any more).
CREATE OR REPLACE VIEW audit.trigger_problem AS
SELECT r.rel, p.on_table, p.name, p.problem, p.mend
FROM audit.relation AS r
JOIN pg_class AS c ON c.oid = r.rel
CROSS JOIN LATERAL audit.problems_of(r.rel) AS p
WHERE r.detached_at IS NULL AND r.kind <> 'partition'
UNION ALL
SELECT t.tgrelid, t.tgrelid, t.tgname, 'left over', format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
FROM pg_trigger AS t
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'audit')
  AND NOT t.tgisinternal AND t.tgparentid = 0
  AND NOT EXISTS (SELECT FROM audit.relation AS r
                  WHERE r.rel = t.tgrelid AND r.detached_at IS NULL AND (r.kind <> 'partition' OR t.tgname = 'eider_partition_truncate'));

-- Notes the partitions of captured tables in the registry, follows renames, and notes what is gone. Returns how many
-- entries it changed. Writes the functions of tables anew whose columns were renamed or dropped. just: one table only.
CREATE OR REPLACE FUNCTION audit.refresh(just oid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    changed bigint := 0;
    n bigint;
    own oid;
BEGIN
    INSERT INTO audit.relation AS r (rel, schema_name, table_name, root, kind)
    SELECT p.relid, s.nspname, l.relname, root.rel, 'partition'
    FROM audit.relation AS root
    JOIN pg_class AS c ON c.oid = root.rel AND c.relkind = 'p'
    CROSS JOIN LATERAL pg_partition_tree(root.rel) AS p
    JOIN pg_class AS l ON l.oid = p.relid
    JOIN pg_namespace AS s ON s.oid = l.relnamespace
    WHERE root.rel = coalesce(just, root.rel) AND root.detached_at IS NULL AND root.kind <> 'partition' AND p.isleaf AND p.relid <> root.rel
      AND NOT EXISTS (SELECT FROM audit.relation AS k
                      WHERE k.rel = p.relid AND k.kind = 'partition' AND k.root = root.rel AND k.detached_at IS NULL)
    ON CONFLICT (rel) DO UPDATE SET root = excluded.root, kind = 'partition', options = '{}', columns = NULL, column_numbers = NULL,
        hashed_numbers = NULL, filter_columns = NULL, spelled_out = NULL, attached_at = now(), detached_at = NULL;
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    UPDATE audit.relation AS r SET schema_name = s.nspname, table_name = c.relname
    FROM pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace
    WHERE r.rel = coalesce(just, r.rel) AND c.oid = r.rel AND (r.schema_name, r.table_name) IS DISTINCT FROM (s.nspname::text, c.relname::text);
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    UPDATE audit.relation AS r SET kind = audit.kind_of(r.rel)
    WHERE r.rel = coalesce(just, r.rel) AND r.detached_at IS NULL AND r.kind <> 'partition' AND r.kind <> audit.kind_of(r.rel);
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    UPDATE audit.relation AS r SET detached_at = now()
    WHERE r.detached_at IS NULL AND (just IS NULL OR r.rel = just OR r.root = just)
      AND CASE r.kind WHEN 'partition' THEN r.root NOT IN (SELECT a.relid FROM pg_partition_ancestors(r.rel) AS a)
                                         OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = r.rel)
                                         OR NOT EXISTS (SELECT FROM audit.relation AS k WHERE k.rel = r.root AND k.detached_at IS NULL)
                      ELSE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = r.rel) END;
    GET DIAGNOSTICS n = ROW_COUNT;
    changed := changed + n;

    FOR own IN
        SELECT r.rel FROM audit.relation AS r
        WHERE r.rel = coalesce(just, r.rel) AND audit.has_own_function(r)
          AND (r.spelled_out IS DISTINCT FROM audit.shape_of(r.rel, audit.spelled_numbers(r)) OR to_regprocedure(format('audit.%I()', 'capture_' || r.rel)) IS NULL)
    LOOP
        PERFORM pg_advisory_xact_lock(audit.rotation_lock());
        PERFORM audit.write_own_function(own);
        changed := changed + 1;
    END LOOP;
    -- Functions that no table needs any more. As long as there are triggers of them, they stay.
    FOR own IN
        SELECT r.rel FROM audit.relation AS r
        WHERE r.rel = coalesce(just, r.rel) AND NOT audit.has_own_function(r) AND to_regprocedure(format('audit.%I()', 'capture_' || r.rel)) IS NOT NULL
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
BEGIN
    PERFORM pg_advisory_xact_lock(audit.rotation_lock());
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
    SELECT c.oid, s.nspname, c.relname, audit.kind_of(of), define.options, numbers,
           ARRAY(SELECT a.attnum FROM pg_attribute AS a WHERE a.attrelid = of AND options -> 'hash' @> to_jsonb(a.attname) AND NOT a.attisdropped),
           define.filter_columns
    FROM pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace
    WHERE c.oid = of
    ON CONFLICT (rel) DO UPDATE SET
        schema_name = excluded.schema_name, table_name = excluded.table_name, root = NULL, options = excluded.options,
        kind = excluded.kind,
        columns = NULL, column_numbers = excluded.column_numbers, hashed_numbers = excluded.hashed_numbers,
        filter_columns = excluded.filter_columns, spelled_out = NULL, detached_at = NULL,
        attached_at = CASE WHEN r.detached_at IS NULL THEN r.attached_at ELSE now() END;
    PERFORM audit.write_own_function(r.rel) FROM audit.relation AS r WHERE r.rel = of AND audit.has_own_function(r);
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
               WHERE t.tgrelid = of AND NOT t.tgisinternal AND t.tgparentid = 0 AND p.pronamespace = 'audit'::regnamespace) THEN
        RAISE EXCEPTION 'eider: % still has triggers of eider', of::regclass USING HINT = 'Use audit.detach.';
    END IF;
    UPDATE audit.relation AS r SET detached_at = now() WHERE of IN (r.rel, r.root) AND r.detached_at IS NULL;
    PERFORM audit.refresh(of);
END
$eider$;

-- Options as they are compared and kept: what says nothing is left out. What is no option is for check_request.
CREATE OR REPLACE FUNCTION audit.normal_options(options jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT CASE WHEN jsonb_typeof(options) <> 'object' THEN options ELSE (
        SELECT coalesce(jsonb_object_agg(o.key, CASE WHEN o.key IN ('exclude', 'hash') AND jsonb_typeof(o.value) = 'array'
                                                     THEN (SELECT jsonb_agg(DISTINCT e) FROM jsonb_array_elements(o.value) AS e)
                                                     ELSE o.value END), '{}')
        FROM jsonb_each(CASE jsonb_typeof(options) WHEN 'object' THEN options ELSE '{}' END) AS o
        WHERE o.value NOT IN ('null', 'false', '[]', '""')) END
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
    wrong record;
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
    ELSE
        changed := audit.refresh(of) > 0;
    END IF;
    FOR wrong IN SELECT p.mend FROM audit.problems_of(of) AS p ORDER BY p.problem = 'left over' LOOP
        EXECUTE wrong.mend;
        changed := true;
    END LOOP;
    IF changed THEN
        PERFORM audit.refresh(of);
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
