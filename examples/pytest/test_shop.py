from datetime import date
from decimal import Decimal

import psycopg
import pytest


def order(shop, customer, amount, day, status="paid"):
    shop.database.execute(
        "INSERT INTO shop.orders (customer, amount, ordered_on, status) VALUES (%s, %s, %s, %s)",
        (customer, amount, day, status),
    )


def test_every_change_is_in_the_lake_and_only_what_was_committed(shop):
    order(shop, "ann", 10, date(2026, 1, 1), status="new")
    shop.database.execute("UPDATE shop.orders SET status = 'paid'")
    with pytest.raises(psycopg.errors.DivisionByZero), shop.database.transaction():
        shop.database.execute("DELETE FROM shop.orders")
        shop.database.execute("SELECT 1 / 0")

    changes = shop.lake().execute("SELECT cdc_op, data ->> 'status' FROM lake.cdc ORDER BY batch, seq").fetchall()
    assert changes == [("I", "new"), ("U", "paid")]


def test_a_schema_change_loses_nothing_and_needs_no_stop(shop):
    order(shop, "ann", 10, date(2026, 1, 1))
    before = shop.lake("orders.sql").execute("FROM orders").fetchall()

    shop.migrate("002_discount.sql")
    shop.database.execute(
        "INSERT INTO shop.orders (customer, price, discount, ordered_on) VALUES ('bob', 20, 5, '2026-01-02')"
    )
    after = shop.lake("orders.sql").execute("FROM orders ORDER BY id").fetchall()

    assert after[0] == before[0]
    assert after[1] == (2, "bob", Decimal("20.00"), Decimal("5.00"), "new", date(2026, 1, 2))


def test_revenue_counts_paid_orders_net_of_discount(shop):
    order(shop, "ann", 10, date(2026, 1, 1))
    order(shop, "bob", 20, date(2026, 1, 1))
    order(shop, "cat", 40, date(2026, 1, 1), status="new")
    shop.migrate("002_discount.sql")
    shop.database.execute("UPDATE shop.orders SET discount = 3 WHERE customer = 'ann'")
    order_of_next_day = "INSERT INTO shop.orders (customer, price, ordered_on, status) VALUES ('dan', 5, '2026-01-02', 'paid')"
    shop.database.execute(order_of_next_day)
    shop.database.execute("DELETE FROM shop.orders WHERE customer = 'bob'")

    revenue = shop.lake("orders.sql", "revenue.sql").execute("FROM revenue ORDER BY ordered_on").fetchall()
    assert revenue == [(date(2026, 1, 1), Decimal("7.00"), 1), (date(2026, 1, 2), Decimal("5.00"), 1)]
