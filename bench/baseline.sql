-- The baseline's capture: the simplest thing that works. One table without WAL, one row trigger for every table.
CREATE SCHEMA audit;

CREATE UNLOGGED TABLE audit.cdc (
    cdc_uuid     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    cdc_ts       timestamptz NOT NULL DEFAULT now(),
    cdc_op       text NOT NULL,
    table_schema text NOT NULL,
    table_name   text NOT NULL,
    data         jsonb NOT NULL
);

CREATE FUNCTION audit.record_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO audit.cdc (cdc_op, table_schema, table_name, data)
        VALUES ('D', TG_TABLE_SCHEMA, TG_TABLE_NAME, to_jsonb(OLD));
    ELSE
        INSERT INTO audit.cdc (cdc_op, table_schema, table_name, data)
        VALUES (left(TG_OP, 1), TG_TABLE_SCHEMA, TG_TABLE_NAME, to_jsonb(NEW));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON shop.orders
    FOR EACH ROW EXECUTE FUNCTION audit.record_change();

-- For DuckLake's catalog.
CREATE SCHEMA baseline_lake;
