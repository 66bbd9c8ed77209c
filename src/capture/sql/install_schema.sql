-- eider {{version}}: capture of row changes, in schema "audit".
--
-- What this does: makes the change log (three slots, a sequence, a view), the functions that fill, rotate and release
-- it, and three roles that cannot log in: the owner of all that, the writer as which changes are recorded (it may add
-- to the slots and nothing else), and one for eider itself, which reads and releases. The statements at the end attach
-- tables. Outside of schema "audit" nothing is changed but for triggers called eider_... on those tables.
-- It is idempotent: run it again whenever you like, whole and in one session, best in one transaction; from psql,
-- Alembic, Flyway, Rails, sqitch ... It needs CREATE on the database; CREATEROLE, where the roles are not there yet.

-- Roles and the schema. Where the roles cannot be had, whoever runs this stands in for them.
DO $eider$
DECLARE
    owner  constant name := {{owner}};
    writer constant name := {{writer}};
    eider  constant name := {{role}};
    may_create constant boolean := (SELECT r.rolsuper OR r.rolcreaterole FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user);
    act constant text := CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    created name[] := '{}';
    wanted name;
    owner_used name;
    writer_used name;
BEGIN
    PERFORM pg_catalog.set_config('eider.install_path', pg_catalog.current_setting('search_path'), false);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false);
    IF current_setting('server_version_num')::int < 140000 THEN
        RAISE EXCEPTION 'eider needs PostgreSQL 14 or later, this is %', current_setting('server_version');
    END IF;
    IF to_regclass('audit.installation') IS NULL AND
       EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'audit') THEN
        RAISE EXCEPTION 'eider: this database has a schema "audit" that is not eider''s'
            USING HINT = 'Rename that schema; eider needs the name.';
    END IF;

    FOREACH wanted IN ARRAY ARRAY[owner, writer, eider] LOOP
        CONTINUE WHEN NOT may_create OR EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            created := created || wanted;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- an installation in another database was quicker
        END;
    END LOOP;
    -- From PostgreSQL 16 on who creates a role must also grant it to himself before he can act as it.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = owner)
       AND NOT (pg_has_role(owner, act) AND pg_has_role(owner, 'USAGE')) THEN
        BEGIN
            EXECUTE format('GRANT %I TO CURRENT_USER', owner);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = owner) AND EXISTS (SELECT FROM pg_roles WHERE rolname = writer)
       AND NOT pg_has_role(owner, writer, act) THEN
        BEGIN
            EXECUTE format('GRANT %I TO %I', writer, owner);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END IF;

    owner_used := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'audit');
    IF owner_used IS NULL THEN
        owner_used := current_user;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
            IF pg_has_role(owner, act) THEN
                owner_used := owner;
            END IF;
        END IF;
    ELSIF NOT pg_has_role(owner_used, act) THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('eider: schema "audit" belongs to %s, of which %s is no member', owner_used, current_user),
            HINT = format('Run this as a member of %s, or let an administrator run: GRANT %I TO %I', owner_used, owner_used, current_user);
    END IF;
    writer_used := owner_used;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = writer) THEN
        IF pg_has_role(owner_used, writer, act) THEN
            writer_used := writer;
        END IF;
    END IF;
    IF owner_used <> owner OR writer_used <> writer THEN
        RAISE NOTICE 'eider: % cannot act as the roles % and %, so that capture runs with the rights of %: a hostile type of a captured column could use them. Better: let an administrator run CREATE ROLE % NOLOGIN; CREATE ROLE % NOLOGIN; GRANT % TO %; GRANT % TO %; and then install anew',
            current_user, owner, writer, writer_used, quote_ident(owner), quote_ident(writer), quote_ident(writer), quote_ident(owner),
            quote_ident(owner), quote_ident(current_user);
    END IF;

    IF to_regnamespace('audit') IS NULL THEN
        EXECUTE format('CREATE SCHEMA audit AUTHORIZATION %I', owner_used);
    END IF;
    -- From here on as the owner, so that all that is made is its; who runs this comes back at the end.
    PERFORM set_config('eider.install_user', current_setting('role'), false);
    PERFORM set_config('eider.install_writer', writer_used, false);
    PERFORM set_config('eider.install_created', array_to_string(created, ','), false);
    PERFORM set_config('role', owner_used, false);
    -- No notice for each thing that is there already.
    PERFORM set_config('eider.install_notices', current_setting('client_min_messages'), false);
    PERFORM set_config('client_min_messages', 'warning', false);
END
$eider$;

-- Numbers order the versions of a row. LOGGED also where the slots are not: no number is given out twice, ever.
CREATE SEQUENCE IF NOT EXISTS audit.cdc_seq AS bigint CACHE 1;

CREATE TABLE IF NOT EXISTS audit.installation (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    home         text        NOT NULL,                -- cluster and oid of its database: anywhere else this is a copy
    version      text        NOT NULL,                -- of these statements
    durability   text        NOT NULL CHECK (durability IN ('unlogged', 'logged')),
    active_slot  integer     NOT NULL DEFAULT 1 CHECK (active_slot BETWEEN 1 AND 3),
    writer       name        NOT NULL,                -- the role that owns the capture functions
    reader       name        NOT NULL,                -- the role that eider works as, if it exists
    made_roles   name[]      NOT NULL DEFAULT '{}',   -- what this installation created
    installed_at timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now(),
    one          boolean     PRIMARY KEY DEFAULT true CHECK (one)
);

-- Installations of before this column was.
ALTER TABLE audit.installation ADD COLUMN IF NOT EXISTS home text;
UPDATE audit.installation SET home = {{here}} WHERE home IS NULL;

-- Every table that is or was attached, and the partitions of those, by oid: an event of a dropped table still has its
-- name. Columns are kept by number (pg_attribute.attnum), so that a renamed column is the same column.
CREATE TABLE IF NOT EXISTS audit.relation (
    rel            oid         PRIMARY KEY,
    schema_name    text        NOT NULL,
    table_name     text        NOT NULL,
    root           oid,                  -- of a partition: the table under which its rows are reported
    kind           text        NOT NULL CHECK (kind IN ('statement', 'row', 'partition')),
    options        jsonb       NOT NULL DEFAULT '{}',
    columns        text[],               -- the columns that are recorded; NULL: all there are
    column_numbers int2[],               -- their numbers
    hashed_numbers int2[],               -- of these, only a keyed hash
    filter_columns jsonb,                -- the columns that the filter names: {name: number}
    spelled_out    text[],               -- names of columns in the text of its capture function
    attached_at    timestamptz NOT NULL DEFAULT now(),
    detached_at    timestamptz           -- NULL: attached
);

CREATE TABLE IF NOT EXISTS audit.consumer (
    name         text        PRIMARY KEY,
    batch        bigint      NOT NULL DEFAULT 0,
    cursor       pg_snapshot NOT NULL DEFAULT '1:1:',  -- what it shows is in the lake
    epoch        text,                                 -- of the process that worked last
    released_at  timestamptz,                          -- when that process ended cleanly; NULL: it did not, or runs
    confirmed_at timestamptz
);

-- The key of hashed columns, as the two pads of HMAC (RFC 2104). Only the owner reads it.
CREATE TABLE IF NOT EXISTS audit.secret (
    inner_pad bytea   NOT NULL,
    outer_pad bytea   NOT NULL,
    one       boolean PRIMARY KEY DEFAULT true CHECK (one)
);

-- The slots. No index: what is written is read once, whole. No vacuum: no row is ever deleted.
DO $eider$
BEGIN
    FOR slot IN 1 .. 3 LOOP
        CONTINUE WHEN to_regclass(format('audit.cdc_%s', slot)) IS NOT NULL;
        EXECUTE format($sql$
            CREATE %s TABLE audit.cdc_%s (
                seq     bigint      NOT NULL DEFAULT nextval('audit.cdc_seq'),
                xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
                ts      timestamptz NOT NULL DEFAULT now(),
                rel     oid         NOT NULL,
                op      "char"      NOT NULL,
                nested  boolean     NOT NULL,
                data    json,
                before  json,
                context json
            ) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false)$sql$,
            CASE {{durability}} WHEN 'unlogged' THEN 'UNLOGGED' ELSE '' END, slot);
    END LOOP;
END
$eider$;

-- A restored dump, or a database made from a template, brings along slots, cursors and names of another life: numbers of
-- transactions and of tables that mean something else here, or nothing yet. Capture starts anew in it.
DO $eider$
BEGIN
    IF EXISTS (SELECT FROM audit.installation AS i WHERE i.home <> {{here}}) THEN
        TRUNCATE audit.cdc_1, audit.cdc_2, audit.cdc_3, audit.consumer, audit.relation, audit.installation;
        RAISE WARNING 'eider: this database is a copy of another one: capture starts anew in it';
    END IF;
END
$eider$;

INSERT INTO audit.installation AS i (home, version, durability, writer, reader, made_roles)
VALUES ({{here}}, {{version_literal}}, {{durability}}, current_setting('eider.install_writer'), {{role}},
        string_to_array(current_setting('eider.install_created'), ','))
ON CONFLICT (one) DO UPDATE SET
    version = excluded.version, durability = excluded.durability, writer = excluded.writer, reader = excluded.reader,
    made_roles = i.made_roles || excluded.made_roles, changed_at = now()
WHERE (i.version, i.durability, i.writer, i.reader) IS DISTINCT FROM
      (excluded.version, excluded.durability, excluded.writer, excluded.reader);

-- For people to look at; eider reads the slots.
CREATE OR REPLACE VIEW audit.cdc AS
SELECT e.seq, e.xid, e.ts, e.op, r.schema_name, r.table_name, e.data, e.before, e.context, e.nested, e.rel, e.slot
FROM (SELECT *, 1 AS slot FROM audit.cdc_1 UNION ALL
      SELECT *, 2 FROM audit.cdc_2 UNION ALL
      SELECT *, 3 FROM audit.cdc_3) AS e
LEFT JOIN audit.relation AS r ON r.rel = e.rel;
