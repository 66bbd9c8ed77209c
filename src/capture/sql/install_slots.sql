
-- === Slots and consumers =============================================================================================

-- Sessions that write capture functions take turns. Nothing of the application takes this lock.
CREATE OR REPLACE FUNCTION audit.rotation_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $eider$
    SELECT 7307199678870643811  -- "eidercdc"
$eider$;

-- Makes another slot the active one, by replacing audit.slot(): locks no table, waits for nobody. Returns the
-- active slot; it stays what it was where no other is better, or another session rotates or attaches just now.
CREATE OR REPLACE FUNCTION audit.rotate() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    active integer;
    best integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(audit.rotation_lock()) THEN
        RETURN (SELECT active_slot FROM audit.installation);
    END IF;
    SELECT i.active_slot INTO active FROM audit.installation AS i FOR UPDATE;
    -- The emptiest of those that are as durable as they should be. One that a transaction still holds will do, too.
    SELECT s.slot INTO best
    FROM unnest(ARRAY[active, active % 3 + 1, (active + 1) % 3 + 1]) WITH ORDINALITY AS s (slot, place)
    JOIN pg_class AS c ON c.oid = format('audit.cdc_%s', s.slot)::regclass
    CROSS JOIN audit.installation AS i
    ORDER BY (c.relpersistence = 'p') <> (i.durability = 'logged'), pg_relation_size(c.oid), s.place
    LIMIT 1;
    IF best <> active THEN
        PERFORM audit.set_slot(best);
        UPDATE audit.installation SET active_slot = best;
    END IF;
    RETURN best;
END
$eider$;

-- Empties a slot that is not active and that all consumers have read. NULL: done; else why not. Waits for nobody: the
-- lock is had at once or not at all; and what was looked at without it is looked at again under it.
-- An empty slot is also made logged or unlogged here, where that was changed.
CREATE OR REPLACE FUNCTION audit.release(slot integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
DECLARE
    installed constant audit.installation := (SELECT i FROM audit.installation AS i);
    name constant text := format('audit.cdc_%s', slot);
    is_empty constant boolean := pg_relation_size(name::regclass) = 0;
    is_durable constant boolean := (SELECT relpersistence = 'p' FROM pg_class WHERE oid = name::regclass);
    -- The first comparison is a cheap one, and enough for almost all rows.
    unread constant text := format(
        'SELECT c.name FROM audit.consumer AS c WHERE EXISTS (
             SELECT FROM %s AS e WHERE e.xid >= pg_snapshot_xmin(c.cursor) AND NOT pg_visible_in_snapshot(e.xid, c.cursor))
         LIMIT 1', name);
    late text;
BEGIN
    IF slot NOT BETWEEN 1 AND 3 THEN
        RAISE EXCEPTION 'eider: there is no slot %', slot;
    END IF;
    -- With one snapshot for the whole transaction, the look under the lock would see nothing new.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'eider: audit.release needs a transaction of isolation level READ COMMITTED';
    END IF;
    IF slot = installed.active_slot THEN
        RETURN 'active: changes are written to it';
    END IF;
    IF is_empty AND is_durable = (installed.durability = 'logged') THEN
        RETURN 'empty';
    END IF;
    IF NOT is_empty THEN
        IF NOT EXISTS (SELECT FROM audit.consumer) THEN
            RETURN 'no consumer has read anything yet';
        END IF;
        EXECUTE unread INTO late;
        IF late IS NOT NULL THEN
            RETURN format('consumer %s has not read all of it', late);
        END IF;
    END IF;
    BEGIN
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', name);
        EXECUTE unread INTO late;
        IF late IS NOT NULL OR slot = (SELECT active_slot FROM audit.installation) THEN
            RAISE lock_not_available;  -- lets go of the lock
        END IF;
        EXECUTE format('TRUNCATE %s', name);
        IF is_durable <> (installed.durability = 'logged') THEN
            EXECUTE format('ALTER TABLE %s SET %s', name, installed.durability);
        END IF;
    EXCEPTION WHEN lock_not_available THEN
        RETURN 'in use: a transaction that wrote to it, or a reader, is still open';
    END;
    RETURN NULL;
END
$eider$;

CREATE OR REPLACE FUNCTION audit.release() RETURNS TABLE (slot integer, released boolean, reason text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    SELECT s, r IS NULL, r FROM generate_series(1, 3) AS s CROSS JOIN LATERAL audit.release(s) AS r
$eider$;

-- A process begins to work for a consumer, as `epoch`.
CREATE OR REPLACE FUNCTION audit.claim(consumer text, epoch text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    INSERT INTO audit.consumer AS c (name, epoch) VALUES (claim.consumer, claim.epoch)
    ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, released_at = NULL
$eider$;

-- That process ended cleanly.
CREATE OR REPLACE FUNCTION audit.let_go(consumer text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    UPDATE audit.consumer SET released_at = now() WHERE name = let_go.consumer
$eider$;

-- What `cursor` shows is in the lake: slots that hold nothing else may be released. The truth stands in the lake.
CREATE OR REPLACE FUNCTION audit.confirm(consumer text, cursor pg_snapshot, batch bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    INSERT INTO audit.consumer AS c (name, cursor, batch, confirmed_at) VALUES (confirm.consumer, confirm.cursor, confirm.batch, now())
    ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, batch = excluded.batch, confirmed_at = excluded.confirmed_at
$eider$;

-- A consumer that will not come back: no slot waits for it any more.
CREATE OR REPLACE FUNCTION audit.forget(consumer text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $eider$
    DELETE FROM audit.consumer WHERE name = forget.consumer
$eider$;
