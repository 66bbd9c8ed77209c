CREATE SCHEMA shop;

CREATE TABLE shop.orders (
    id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    customer   text NOT NULL,
    amount     numeric(10, 2) NOT NULL,
    status     text NOT NULL DEFAULT 'new',
    ordered_on date NOT NULL
);
