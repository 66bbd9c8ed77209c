-- Every order as it is now: the last event of each key, unless that is a delete. Before migration 002 the price was
-- called amount, and there was no discount.
CREATE TEMP VIEW orders AS
SELECT
    (data ->> 'id')::BIGINT AS id,
    data ->> 'customer' AS customer,
    coalesce(data ->> 'price', data ->> 'amount')::DECIMAL(10, 2) AS price,
    coalesce(data ->> 'discount', '0')::DECIMAL(10, 2) AS discount,
    data ->> 'status' AS status,
    (data ->> 'ordered_on')::DATE AS ordered_on
FROM lake.cdc
WHERE table_schema = 'shop' AND table_name = 'orders'
QUALIFY row_number() OVER (PARTITION BY data ->> 'id' ORDER BY batch DESC, seq DESC) = 1 AND cdc_op <> 'D';
