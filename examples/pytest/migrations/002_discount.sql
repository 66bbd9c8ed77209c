ALTER TABLE shop.orders ADD COLUMN discount numeric(10, 2) NOT NULL DEFAULT 0;
ALTER TABLE shop.orders RENAME COLUMN amount TO price;
