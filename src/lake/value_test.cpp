#include "lake/value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lake/engine.h"

namespace eider::lake {
namespace {

constexpr std::int64_t day_us = 86'400'000'000;
constexpr std::int64_t infinity_us = std::numeric_limits<std::int64_t>::max();
constexpr std::int32_t infinity_days = std::numeric_limits<std::int32_t>::max();

std::string digits_of(Int128 value) {
    std::string text;
    for (Int128 rest = value < 0 ? -value : value; rest != 0; rest /= 10) {
        text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    }
    return text.empty() ? "0" : text;
}

// What parse_decimal gave, as digits.
std::string decimal(std::string_view text, int width, int scale) {
    const auto value = parse_decimal(text, width, scale);
    return value ? (*value < 0 ? "-" : "") + digits_of(*value) : "refused";
}

// DuckDB puts its "(BC)" between date and time, PostgreSQL at the end.
std::string as_postgres(std::string text) {
    const std::size_t era = text.find(" (BC)");
    return era == std::string::npos ? text : text.erase(era, 5) + " BC";
}

std::string with_t(std::string text) {
    return text.replace(text.find(' '), 1, "T");
}

TEST(BooleanValue, IsTrueOrFalse) {
    EXPECT_EQ(parse_boolean("true"), true);
    EXPECT_EQ(parse_boolean("false"), false);
    for (const char* text : {"", "t", "TRUE", "1", "true "}) EXPECT_EQ(parse_boolean(text), std::nullopt) << text;
}

TEST(IntegerValue, HasSixtyFourBitsAndNoMore) {
    EXPECT_EQ(parse_integer("0"), 0);
    EXPECT_EQ(parse_integer("4294967295"), 4'294'967'295);
    EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(parse_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
    for (const char* text :
         {"", "-", "+1", " 1", "1 ", "1.0", "1e3", "NaN", "9223372036854775808", "-9223372036854775809"}) {
        EXPECT_EQ(parse_integer(text), std::nullopt) << text;
    }
}

TEST(FloatingValue, IsNotANumberInfiniteOrNegativeZero) {
    EXPECT_TRUE(std::isnan(parse_double("NaN").value()));
    EXPECT_TRUE(std::isnan(parse_float("NaN").value()));
    EXPECT_EQ(parse_double("Infinity"), std::numeric_limits<double>::infinity());
    EXPECT_EQ(parse_double("-Infinity"), -std::numeric_limits<double>::infinity());
    EXPECT_EQ(parse_float("-Infinity"), -std::numeric_limits<float>::infinity());
    for (const char* zero : {"-0", "-0.0", "-0e5"}) {
        EXPECT_EQ(parse_double(zero), 0.0);
        EXPECT_TRUE(std::signbit(parse_double(zero).value())) << zero;
        EXPECT_TRUE(std::signbit(parse_float(zero).value())) << zero;
    }
    EXPECT_FALSE(std::signbit(parse_double("0").value()));
}

TEST(FloatingValue, ReachesToBothEndsOfItsRange) {
    EXPECT_EQ(parse_double("1.7976931348623157e+308"), std::numeric_limits<double>::max());
    EXPECT_EQ(parse_double("5e-324"), std::numeric_limits<double>::denorm_min());
    EXPECT_EQ(parse_double("2.2250738585072014e-308"), std::numeric_limits<double>::min());
    EXPECT_EQ(parse_float("3.4028235e+38"), std::numeric_limits<float>::max());
    EXPECT_EQ(parse_float("1e-45"), std::numeric_limits<float>::denorm_min());
    EXPECT_EQ(parse_double("12345678901234567890123456789012345678901234"), 1.2345678901234568e43);
}

TEST(FloatingValue, NeverBecomesInfiniteOrNothing) {
    for (const char* text : {"1e309", "-1e309", "1e99999", "1e-400", "-1e-400"})
        EXPECT_EQ(parse_double(text), std::nullopt) << text;
    EXPECT_EQ(parse_double("1" + std::string(400, '0')), std::nullopt);
    EXPECT_EQ(parse_double("0." + std::string(400, '0') + "1"), std::nullopt);
    EXPECT_EQ(parse_double("0." + std::string(400, '0')), 0.0);
    for (const char* text : {"1e39", "3.4028236e+38", "1e-46", "1.7976931348623157e+308"})
        EXPECT_EQ(parse_float(text), std::nullopt) << text;
}

TEST(FloatingValue, IsNothingElse) {
    for (const char* text :
         {"", "-", "+1", "inf", "-inf", "nan", "nan(1)", "infinity", "NAN", "0x10", ".5", "1 ", " 1", "1,5", "-NaN"}) {
        EXPECT_EQ(parse_double(text), std::nullopt) << text;
        EXPECT_EQ(parse_float(text), std::nullopt) << text;
    }
}

TEST(FloatingValue, KeepsEveryBit) {
    std::mt19937_64 random(20241124);
    for (int i = 0; i < 20'000; ++i) {
        const auto bits = random();
        const auto value = std::bit_cast<double>(bits);
        if (!std::isfinite(value)) continue;
        EXPECT_EQ(std::bit_cast<std::uint64_t>(parse_double(fmt::format("{}", value)).value()), bits) << value;
    }
    for (int i = 0; i < 20'000; ++i) {
        const auto bits = static_cast<std::uint32_t>(random());
        const auto value = std::bit_cast<float>(bits);
        if (!std::isfinite(value)) continue;
        EXPECT_EQ(std::bit_cast<std::uint32_t>(parse_float(fmt::format("{}", value)).value()), bits) << value;
    }
}

TEST(DecimalValue, IsScaledExactly) {
    EXPECT_EQ(decimal("0", 10, 2), "0");
    EXPECT_EQ(decimal("-0.00", 10, 2), "0");
    EXPECT_EQ(decimal("1", 10, 2), "100");
    EXPECT_EQ(decimal("-1.5", 10, 2), "-150");
    EXPECT_EQ(decimal("0.01", 10, 2), "1");
    EXPECT_EQ(decimal("12300", 5, 0), "12300");
    EXPECT_EQ(decimal("0.00123", 5, 5), "123");
    EXPECT_EQ(decimal("00012.30", 3, 1), "123");
    const std::string nines(38, '9');
    EXPECT_EQ(decimal(nines, 38, 0), nines);
    EXPECT_EQ(decimal("-" + nines, 38, 0), "-" + nines);
    EXPECT_EQ(decimal("0." + nines, 38, 38), nines);
    EXPECT_EQ(decimal("-9999999999999999999999999999.9999999999", 38, 10), "-" + nines);
    EXPECT_EQ(decimal("1" + std::string(37, '0'), 38, 0), "1" + std::string(37, '0'));
}

TEST(DecimalValue, LosesOnlyZeros) {
    EXPECT_EQ(decimal("1.500", 10, 1), "15");
    EXPECT_EQ(decimal("1." + std::string(100, '0'), 10, 1), "10");
    EXPECT_EQ(decimal("0." + std::string(100, '0'), 10, 1), "0");
    EXPECT_EQ(decimal("1.55", 10, 1), "refused");
    EXPECT_EQ(decimal("0.001", 10, 2), "refused");
    EXPECT_EQ(decimal("0." + std::string(100, '0') + "1", 38, 38), "refused");
}

TEST(DecimalValue, IsRefusedWhenItIsTooWide) {
    EXPECT_EQ(decimal("999.99", 5, 2), "99999");
    EXPECT_EQ(decimal("1000", 5, 2), "refused");
    EXPECT_EQ(decimal("1" + std::string(38, '0'), 38, 0), "refused");
    EXPECT_EQ(decimal("1" + std::string(500, '0'), 38, 0), "refused");
    EXPECT_EQ(decimal("1234567890123456789012345678901234567890", 38, 0), "refused");
    EXPECT_EQ(decimal("1", 38, 38), "refused");
}

TEST(DecimalValue, MayHaveAnExponent) {
    EXPECT_EQ(decimal("1e+20", 38, 0), "1" + std::string(20, '0'));
    EXPECT_EQ(decimal("1.25E-2", 10, 4), "125");
    EXPECT_EQ(decimal("0e999", 10, 4), "0");
    EXPECT_EQ(decimal("1e38", 38, 0), "refused");
    EXPECT_EQ(decimal("1e-5", 10, 4), "refused");
    EXPECT_EQ(decimal("1e999999999999999999999", 38, 0), "refused");
    EXPECT_EQ(decimal("1e-2147483648", 38, 0), "refused");
}

TEST(DecimalValue, IsNothingElse) {
    for (const char* text :
         {"",         "-",         "--1", "+1",  ".",     ".5",    "5.", "1..2", "1.2.3", "1 ", "NaN",
          "Infinity", "-Infinity", "1e",  "1e+", "1e+-5", "1e5.0", "e5", "$1",   "1,000", "0x1"}) {
        EXPECT_EQ(decimal(text, 38, 10), "refused") << text;
    }
}

TEST(DecimalValue, ComesBackWhateverItIs) {
    std::mt19937_64 random(38);
    for (int i = 0; i < 20'000; ++i) {
        const int width = 1 + static_cast<int>(random() % 38);
        const int scale = static_cast<int>(random() % static_cast<unsigned>(width + 1));
        std::string digits(1 + random() % static_cast<unsigned>(width), '0');
        for (char& digit : digits) digit = static_cast<char>('0' + random() % (random() % 2 == 0 ? 10 : 1));
        std::string text = digits;
        while (static_cast<int>(text.size()) <= scale) text.insert(text.begin(), '0');
        if (scale > 0) text.insert(text.end() - scale, '.');
        std::string expected = digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
        const bool is_negative = random() % 2 == 0;
        if (is_negative && expected != "0") expected.insert(expected.begin(), '-');
        EXPECT_EQ(decimal((is_negative ? "-" : "") + text, width, scale), expected)
            << text << ' ' << width << ',' << scale;
    }
}

TEST(DateValue, ReachesFromBeforeChristToTheEnd) {
    EXPECT_EQ(parse_date("1970-01-01"), 0);
    EXPECT_EQ(parse_date("1969-12-31"), -1);
    EXPECT_EQ(parse_date("2000-02-29"), 11'016);
    EXPECT_EQ(parse_date("0001-01-01"), -719'162);
    EXPECT_EQ(parse_date("0001-12-31 BC"), -719'163);
    EXPECT_EQ(parse_date("0001-02-29 BC"), -719'469);
    EXPECT_EQ(parse_date("4714-11-24 BC"), -2'440'588);
    EXPECT_EQ(parse_date("10000-01-01"), 2'932'897);
    EXPECT_EQ(parse_date("5874897-12-31"), 2'145'042'905);
    EXPECT_EQ(parse_date("infinity"), infinity_days);
    EXPECT_EQ(parse_date("-infinity"), -infinity_days);
}

TEST(DateValue, IsNothingElse) {
    for (const char* text : {"",
                             "2020",
                             "2020-1-1",
                             "2020-13-01",
                             "2020-00-01",
                             "2020-01-00",
                             "2020-01-32",
                             "2020-04-31",
                             "2021-02-29",
                             "1900-02-29",
                             "0000-01-01",
                             "-2020-01-01",
                             "2020-01-01 ",
                             " 2020-01-01",
                             "2020-01-01BC",
                             "2020-01-01 bc",
                             "2020-01-01 BC ",
                             "2020/01/01",
                             "01-01-2020",
                             "020-01-01",
                             "9999999-12-31",
                             "5881580-07-11",
                             "99999999-01-01",
                             "Infinity",
                             "epoch",
                             "today"}) {
        EXPECT_EQ(parse_date(text), std::nullopt) << text;
    }
}

TEST(TimestampValue, IsReadInBothOfItsForms) {
    EXPECT_EQ(parse_timestamp("1970-01-01T00:00:00"), 0);
    EXPECT_EQ(parse_timestamp("1970-01-01 00:00:00.000001"), 1);
    EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59.999999"), -1);
    EXPECT_EQ(parse_timestamp("2020-01-01T10:00:00.5"), 1'577'872'800'500'000);
    EXPECT_EQ(parse_timestamp("0044-03-15T00:00:00 BC"), parse_timestamp("0044-03-15 00:00:00 BC"));
    EXPECT_EQ(parse_timestamp("0044-03-15T00:00:00 BC"), parse_date("0044-03-15 BC").value() * day_us);
    EXPECT_EQ(parse_timestamp("10000-01-02T00:00:00"), 2'932'898 * day_us);
}

TEST(TimestampValue, EndsThirtyYearsBeforePostgreSqls) {
    EXPECT_EQ(parse_timestamp("4714-11-24T00:00:00 BC"), -2'440'588 * day_us);
    EXPECT_EQ(parse_timestamp("294247-01-10T04:00:54.775806"), infinity_us - 1);
    EXPECT_EQ(parse_timestamp("294247-01-10T04:00:54.775807"), std::nullopt);
    EXPECT_EQ(parse_timestamp("294276-12-31T23:59:59.999999"), std::nullopt);
    EXPECT_EQ(parse_timestamptz("294276-12-31T23:59:59.999999+00:00"), std::nullopt);
    EXPECT_EQ(parse_timestamp("290309-12-22T00:00:00 BC"), -9'223'372'022'400'000'000);
    EXPECT_EQ(parse_timestamp("290309-12-21T23:59:59 BC"), std::nullopt);
    EXPECT_EQ(parse_timestamp("infinity"), infinity_us);
    EXPECT_EQ(parse_timestamp("-infinity"), -infinity_us);
    EXPECT_EQ(parse_timestamptz("infinity"), infinity_us);
    EXPECT_EQ(parse_timestamptz("-infinity"), -infinity_us);
}

TEST(TimestampValue, IsMovedByItsZone) {
    const auto ten = parse_timestamp("2020-01-01T10:00:00").value();
    const std::int64_t hour = 3'600'000'000;
    EXPECT_EQ(parse_timestamptz("2020-01-01T10:00:00+00:00"), ten);
    EXPECT_EQ(parse_timestamptz("2020-01-01 10:00:00+00"), ten);
    EXPECT_EQ(parse_timestamptz("2020-01-01T10:00:00+05:30"), ten - hour * 11 / 2);
    EXPECT_EQ(parse_timestamptz("2020-01-01T10:00:00-12:34:56"), ten + 12 * hour + 34 * hour / 60 + 56 * hour / 3600);
    EXPECT_EQ(parse_timestamptz("0044-03-15T04:30:00.5+00:00 BC"), parse_timestamp("0044-03-15T04:30:00.5 BC"));
    EXPECT_EQ(parse_timestamptz("294247-01-10T05:00:54.775806+01:00"), infinity_us - 1);
}

TEST(TimestampValue, IsNothingElse) {
    for (const char* text :
         {"", "2020-01-01", "2020-01-01T", "2020-01-01T10:00", "2020-01-01T24:00:00", "2020-01-01T10:60:00",
          "2020-01-01T10:00:60", "2020-01-01T10:00:00.", "2020-01-01T10:00:00.1234567", "2020-01-01T10:00:00+00:00",
          "2020-01-01T10:00:00Z", "2020-01-01t10:00:00", "2020-01-01  10:00:00", "2020-02-30T10:00:00",
          "2020-01-01 BC 10:00:00", "2020-01-01T10:00:00BC", "2020-01-01T10:00:00 BC ", "epoch"}) {
        EXPECT_EQ(parse_timestamp(text), std::nullopt) << text;
    }
    for (const char* zone : {"", "Z", "+", "+1", "+1:00", "+00:", "+00:0", "+16:00", "+00:60", "+00:00:60", " +00",
                             "+00:00:00:00", "UTC"}) {
        EXPECT_EQ(parse_timestamptz(std::string("2020-01-01T10:00:00") + zone), std::nullopt) << zone;
    }
}

// DuckDB writes the same calendar by code of its own.
TEST(TimestampValue, IsTheOneThatDuckDbWrites) {
    Session session = Engine({}, {}).connect();
    const Rows rows = session.query(
        "SELECT setseed(0.5)::VARCHAR, us, make_timestamp(us)::VARCHAR, make_timestamp(us)::DATE::VARCHAR,"
        " epoch(make_timestamp(us)::DATE)::BIGINT // 86400 FROM (SELECT (random() * 9.4e18 - 2.1e17)::BIGINT AS us "
        "FROM range(20000))"
        " WHERE us BETWEEN -210866803200000000 AND 9223372036854775806");
    ASSERT_GT(rows.rows.size(), 10'000U);
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const std::string text = as_postgres(rows.text(row, 2));
        EXPECT_EQ(parse_timestamp(text), rows.integer(row, 1)) << text;
        EXPECT_EQ(parse_timestamp(with_t(text)), rows.integer(row, 1)) << text;
        EXPECT_EQ(parse_date(as_postgres(rows.text(row, 3))), rows.integer(row, 4)) << rows.text(row, 3);
    }
}

TEST(DateValue, IsTheOneThatDuckDbWrites) {
    Session session = Engine({}, {}).connect();
    const Rows rows = session.query(
        "SELECT day::BIGINT, (DATE '1970-01-01' + day)::VARCHAR FROM (SELECT i::INTEGER * 86311 - 2440588 AS day FROM "
        "range(24870) AS t(i))"
        " UNION ALL SELECT i - 750000, (DATE '1970-01-01' + (i - 750000)::INTEGER)::VARCHAR FROM range(800000) AS t(i) "
        "WHERE i % 31 = 0");
    ASSERT_GT(rows.rows.size(), 40'000U);
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        EXPECT_EQ(parse_date(as_postgres(rows.text(row, 1))), rows.integer(row, 0)) << rows.text(row, 1);
    }
}

TEST(TimeValue, IsOfOneDayAndItsEnd) {
    EXPECT_EQ(parse_time("00:00:00"), 0);
    EXPECT_EQ(parse_time("23:59:59.999999"), day_us - 1);
    EXPECT_EQ(parse_time("24:00:00"), day_us);
    EXPECT_EQ(parse_time("10:20:30.04"), 37'230'040'000);
    for (const char* text : {"", "24:00:00.000001", "24:00:01", "25:00:00", "1:00:00", "10:00", "10:60:00", "10:00:60",
                             "10:00:00.", "10:00:00.1234567", "10:00:00+00", "-10:00:00", "10:00:00 "}) {
        EXPECT_EQ(parse_time(text), std::nullopt) << text;
    }
}

TEST(IntervalValue, HasPartsOfAnySign) {
    EXPECT_EQ(parse_interval("00:00:00"), (Interval{0, 0, 0}));
    EXPECT_EQ(parse_interval("-00:00:01"), (Interval{0, 0, -1'000'000}));
    EXPECT_EQ(parse_interval("1 day"), (Interval{0, 1, 0}));
    EXPECT_EQ(parse_interval("1 year 2 mons -3 days +04:05:06.000001"), (Interval{14, -3, 14'706'000'001}));
    EXPECT_EQ(parse_interval("-1 years -2 mons +3 days -04:05:06"), (Interval{-14, 3, -14'706'000'000}));
    EXPECT_EQ(parse_interval("-1 mons +1 day 00:00:00.5"), (Interval{-1, 1, 500'000}));
    EXPECT_EQ(parse_interval("1 mon -00:00:00.000001"), (Interval{1, 0, -1}));
}

TEST(IntervalValue, ReachesToBothEndsOfItsRange) {
    constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
    constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();
    EXPECT_EQ(parse_interval("178956970 years 7 mons"), (Interval{most, 0, 0}));
    EXPECT_EQ(parse_interval("-178956970 years -8 mons"), (Interval{least, 0, 0}));
    EXPECT_EQ(parse_interval("2147483647 days"), (Interval{0, most, 0}));
    EXPECT_EQ(parse_interval("-2147483648 days"), (Interval{0, least, 0}));
    EXPECT_EQ(parse_interval("2562047788:00:54.775807"), (Interval{0, 0, infinity_us}));
    EXPECT_EQ(parse_interval("-2562047788:00:54.775808"), (Interval{0, 0, std::numeric_limits<std::int64_t>::min()}));
    for (const char* text :
         {"178956970 years 8 mons", "-178956970 years -9 mons", "2147483648 days", "-2147483649 days",
          "2562047788:00:54.775808", "-2562047788:00:54.775809", "99999999999 days"}) {
        EXPECT_EQ(parse_interval(text), std::nullopt) << text;
    }
}

TEST(IntervalValue, IsNothingElse) {
    for (const char* text : {"",
                             " ",
                             "1",
                             "1 ",
                             "1 day ",
                             " 1 day",
                             "1 days 1 year",
                             "1 day 2 days",
                             "1 week",
                             "@ 1 day",
                             "P1D",
                             "1 day ago",
                             "00:00",
                             "00:60:00",
                             "00:00:60",
                             "00:00:00.0000001",
                             "--1 day",
                             "+-1 day",
                             "1 dayss",
                             "1 day00:00:00",
                             "infinity",
                             "-infinity",
                             "00:00:00 1 day"}) {
        EXPECT_EQ(parse_interval(text), std::nullopt) << text;
    }
}

TEST(UuidValue, IsItsSixteenBytes) {
    EXPECT_EQ(parse_uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), (Uuid{0xa0eebc999c0b4ef8, 0xbb6d6bb9bd380a11}));
    EXPECT_EQ(parse_uuid("ffffffff-ffff-ffff-ffff-ffffffffffff"), (Uuid{~std::uint64_t{0}, ~std::uint64_t{0}}));
    for (const char* text : {"", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
                             "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", "a0eebc999c0b-4ef8-bb6d--6bb9bd380a11",
                             "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc999c0b4ef8bb6d6bb9bd380a11"}) {
        EXPECT_EQ(parse_uuid(text), std::nullopt) << text;
    }
}

TEST(ByteaValue, IsHex) {
    std::string bytes;
    EXPECT_TRUE(parse_bytea("\\x", bytes));
    EXPECT_EQ(bytes, "");
    EXPECT_TRUE(parse_bytea("\\x00ff7F41", bytes));
    EXPECT_EQ(bytes, std::string("\0\xff\x7f"
                                 "A",
                                 4));
    for (const char* text :
         {"", "\\", "x00", "\\x0", "\\x000", "\\x0g", "\\xg0", "\\X00", "\\\\x00", "\\x 0", "abc\\000"}) {
        EXPECT_FALSE(parse_bytea(text, bytes)) << text;
    }
}

}  // namespace
}  // namespace eider::lake
