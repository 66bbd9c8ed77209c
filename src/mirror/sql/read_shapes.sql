-- The captured tables and their columns, one row a column, as the transaction's snapshot shows them. rels: an array of
-- oids, or NULL for all.
-- storage changes with everything that replaces rows without a trigger: TRUNCATE, an ALTER TABLE that rewrites, CLUSTER,
-- partitions that come and go, a renamed label of an enum; and with what the table's capture function was written for: one
-- that does not know the key yet records no end of a key.
WITH captured AS (
    SELECT r.rel, n.nspname, c.relname, c.relkind, c.relfilenode, c.relpages, r.options, r.column_numbers, r.hashed_numbers, r.spelled_out,
           has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS may_read
    FROM audit.relation AS r JOIN pg_class AS c ON c.oid = r.rel JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.detached_at IS NULL AND r.kind <> 'partition' AND ({{rels}}::oid[] IS NULL OR r.rel = ANY ({{rels}}::oid[]))
),
keys AS (
    -- What identifies rows: the primary key, else the smallest unique index on columns that are never NULL.
    SELECT DISTINCT ON (i.indrelid) i.indrelid,
           ARRAY(SELECT k.number FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place) WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS numbers
    FROM captured JOIN pg_index AS i ON i.indrelid = captured.rel
    WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = i.indrelid AND NOT a.attnotnull AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
    ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid
)
SELECT c.rel::bigint, c.nspname, c.relname, c.relkind, c.may_read, c.options ->> 'where', c.options -> 'hash' IS NOT NULL,
       CASE WHEN c.relkind = 'p' THEN (
           WITH RECURSIVE part (oid) AS (
               SELECT c.rel UNION ALL SELECT h.inhrelid FROM part JOIN pg_inherits AS h ON h.inhparent = part.oid)
           SELECT md5(string_agg(p.oid || ':' || p.relfilenode, ' ' ORDER BY p.oid)) FROM part JOIN pg_class AS p USING (oid))
       ELSE c.relfilenode::text END
           || coalesce('/' || md5(c.options ->> 'where'), '') || coalesce('/' || md5(c.spelled_out::text), '')
           || coalesce('/' || (SELECT md5(string_agg(e.oid || ':' || e.enumlabel, ' ' ORDER BY e.oid))
                               FROM pg_attribute AS b JOIN pg_enum AS e ON e.enumtypid = b.atttypid WHERE b.attrelid = c.rel), ''),
       c.relpages::bigint * 8192,
       a.attnum, a.attname, a.atttypid::bigint, a.atttypmod, format_type(a.atttypid, a.atttypmod),
       coalesce(array_position(k.numbers, a.attnum), 0), a.attndims
FROM captured AS c
JOIN pg_attribute AS a ON a.attrelid = c.rel AND a.attnum > 0 AND NOT a.attisdropped
                      AND (c.column_numbers IS NULL OR a.attnum = ANY (c.column_numbers))
LEFT JOIN keys AS k ON k.indrelid = c.rel
ORDER BY c.rel, a.attnum
