-- Revenue a day, of orders that were paid.
CREATE TEMP VIEW revenue AS
SELECT ordered_on, sum(price - discount) AS revenue, count(*) AS orders
FROM orders
WHERE status = 'paid'
GROUP BY ordered_on;
