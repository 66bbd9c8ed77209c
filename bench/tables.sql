-- What is changed while the benchmark measures: one table of ordinary columns, about 220 bytes a row as JSON.
CREATE SCHEMA shop;

CREATE TABLE shop.orders (
    id          bigint PRIMARY KEY,
    customer_id integer NOT NULL,
    email       text NOT NULL,
    status      text NOT NULL,
    amount      numeric(12, 2) NOT NULL,
    created_at  timestamptz NOT NULL,
    note        text
);

-- Adds orders `first` to `last`. Half of a row is text that hardly compresses.
CREATE FUNCTION shop.add_orders(first bigint, last bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO shop.orders
    SELECT id, id % 50000, 'customer-' || id % 50000 || '@example.com',
           (ARRAY['new', 'paid', 'sent', 'returned'])[1 + id % 4], (id * 37 % 100000) / 100.0,
           timestamptz '2026-01-01 00:00:00Z' + id * interval '1 second', md5(id::text) || md5((-id)::text)
    FROM generate_series(first, last) AS id
$$;
