#include "lake/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>

namespace eider::lake {
namespace {

constexpr std::int64_t us_second = 1'000'000;
constexpr std::int64_t us_minute = 60 * us_second;
constexpr std::int64_t us_hour = 60 * us_minute;
constexpr std::int64_t us_day = 24 * us_hour;

// DuckDB's infinities (date.hpp, timestamp.hpp) and its first timestamp, 290309-12-22 (BC).
constexpr std::int32_t date_infinity = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t timestamp_infinity = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t timestamp_min = -9'223'372'022'400'000'000;

constexpr int decimal_width_max = 38;

constexpr auto powers_of_ten = [] {
    std::array<Int128, decimal_width_max + 1> powers{1};
    for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
    return powers;
}();

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Text that is read from its beginning.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }
    char next() const { return rest_.empty() ? '\0' : rest_.front(); }

    bool take(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }

    bool take(std::string_view word) {
        if (rest_.substr(0, word.size()) != word) return false;
        rest_.remove_prefix(word.size());
        return true;
    }

    // A number of `min` to `max` digits, of at most 18.
    bool digits(std::size_t min, std::size_t max, std::int64_t& number) {
        std::size_t count = 0;
        number = 0;
        while (count < rest_.size() && is_digit(rest_[count])) {
            if (count == max) return false;
            number = number * 10 + (rest_[count++] - '0');
        }
        rest_.remove_prefix(count);
        return count >= min;
    }

    bool digit(std::int64_t& number) {
        if (!is_digit(next())) return false;
        number = next() - '0';
        rest_.remove_prefix(1);
        return true;
    }

private:
    std::string_view rest_;
};

struct Day {
    std::int64_t year = 0;  // 0 is 1 BC
    std::int64_t month = 0;
    std::int64_t day = 0;
};

bool is_leap(std::int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool is_in_calendar(const Day& date) {
    constexpr std::array<std::int64_t, 12> lengths{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (date.month < 1 || date.month > 12 || date.day < 1) return false;
    return date.day <=
           lengths[static_cast<std::size_t>(date.month - 1)] + (date.month == 2 && is_leap(date.year) ? 1 : 0);
}

// Days since 1970-01-01 in the Gregorian calendar, also before it was in use; years counted from March, so that the day
// that comes and goes is the last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
std::int64_t days_of(const Day& date) {
    const std::int64_t year = date.month > 2 ? date.year : date.year - 1;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    const std::int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

// "2020-01-31"; PostgreSQL writes years with four digits or as many as they need.
bool read_day(Scanner& text, Day& date) {
    return text.digits(4, 7, date.year) && date.year > 0 && text.take('-') && text.digits(2, 2, date.month) &&
           text.take('-') && text.digits(2, 2, date.day);
}

// " BC", which stands at the very end, and what comes after it: nothing.
bool read_era(Scanner& text, Day& date) {
    if (text.take(" BC")) date.year = 1 - date.year;
    return text.at_end() && is_in_calendar(date);
}

// ":05:06.5" -> microseconds of minutes and seconds.
bool read_minutes(Scanner& text, std::int64_t& us) {
    std::int64_t minutes = 0;
    std::int64_t seconds = 0;
    if (!text.take(':') || !text.digits(2, 2, minutes) || !text.take(':') || !text.digits(2, 2, seconds)) return false;
    if (minutes > 59 || seconds > 59) return false;
    us = minutes * us_minute + seconds * us_second;
    if (!text.take('.')) return true;
    std::int64_t unit = us_second;
    std::int64_t digit = 0;
    while (text.digit(digit)) {
        if (unit == 1) return false;
        unit /= 10;
        us += digit * unit;
    }
    return unit != us_second;
}

bool read_time(Scanner& text, std::int64_t& us) {
    std::int64_t hours = 0;
    if (!text.digits(2, 2, hours) || !read_minutes(text, us)) return false;
    us += hours * us_hour;
    return true;
}

// "+05:30", "-12", "+00:00:01": PostgreSQL writes as much of it as is not zero, to_json at least the minutes.
bool read_zone(Scanner& text, std::int64_t& us) {
    const bool is_west = text.next() == '-';
    if (!text.take('-') && !text.take('+')) return false;
    std::int64_t hours = 0;
    std::int64_t minutes = 0;
    std::int64_t seconds = 0;
    if (!text.digits(2, 2, hours)) return false;
    if (text.take(':') && !text.digits(2, 2, minutes)) return false;
    if (text.take(':') && !text.digits(2, 2, seconds)) return false;
    if (hours > 15 || minutes > 59 || seconds > 59) return false;
    us = (hours * us_hour + minutes * us_minute + seconds * us_second) * (is_west ? -1 : 1);
    return true;
}

std::optional<std::int64_t> parse_instant(std::string_view text, bool has_zone) {
    if (text == "infinity") return timestamp_infinity;
    if (text == "-infinity") return -timestamp_infinity;
    Scanner scanner(text);
    Day date;
    std::int64_t time = 0;
    std::int64_t zone = 0;
    if (!read_day(scanner, date) || !(scanner.take('T') || scanner.take(' ')) || !read_time(scanner, time))
        return std::nullopt;
    if (has_zone && !read_zone(scanner, zone)) return std::nullopt;
    if (time >= us_day || !read_era(scanner, date)) return std::nullopt;
    const Int128 us = Int128{days_of(date)} * us_day + time - zone;
    if (us < timestamp_min || us >= timestamp_infinity) return std::nullopt;
    return static_cast<std::int64_t>(us);
}

// The rounding to the nearest may neither leave the range nor make nothing of something.
template <typename Float>
std::optional<Float> parse_floating(std::string_view text) {
    if (text == "NaN") return std::numeric_limits<Float>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<Float>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<Float>::infinity();
    // from_chars also takes "inf", "nan(1)" and the like.
    const std::size_t first = !text.empty() && text.front() == '-' ? 1 : 0;
    if (text.size() == first || !is_digit(text[first])) return std::nullopt;
    Float value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    const std::string_view mantissa = text.substr(0, text.find_first_of("eE"));
    if (value == 0 && mantissa.find_first_of("123456789") != std::string_view::npos) return std::nullopt;
    return value;
}

// The digits of a number without its zeros at either end, and where they stand: value * 10^power.
struct Digits {
    Int128 value = 0;
    int count = 0;
    std::int64_t power = 0;
};

class DigitsReader {
public:
    // False: more digits than any decimal has.
    bool add(char digit, bool is_fraction) {
        if (is_fraction) --power_;
        if (digit == '0') {
            if (found_.value != 0) ++zeros_;
            return true;
        }
        if (zeros_ >= decimal_width_max) return false;
        found_.count += static_cast<int>(zeros_) + 1;
        if (found_.count > decimal_width_max) return false;
        found_.value = found_.value * powers_of_ten[static_cast<std::size_t>(zeros_) + 1] + (digit - '0');
        zeros_ = 0;
        return true;
    }

    Digits result(std::int64_t exponent) {
        found_.power = power_ + zeros_ + exponent;
        return found_;
    }

private:
    Digits found_;
    std::int64_t zeros_ = 0;  // read, and not yet part of the value
    std::int64_t power_ = 0;
};

bool read_exponent(std::string_view text, std::int64_t& exponent) {
    if (text.substr(0, 1) == "+" && text.substr(1, 1) != "-") text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
    // A bound far from where the sums below would overflow.
    return error == std::errc() && end == text.data() + text.size() && exponent > -1'000'000'000 &&
           exponent < 1'000'000'000;
}

// "123.45e6", without a sign.
std::optional<Digits> read_digits(std::string_view text) {
    std::int64_t exponent = 0;
    const std::size_t mark = text.find_first_of("eE");
    if (mark != std::string_view::npos && !read_exponent(text.substr(mark + 1), exponent)) return std::nullopt;
    const std::string_view mantissa = text.substr(0, mark);
    if (mantissa.empty() || !is_digit(mantissa.front()) || !is_digit(mantissa.back())) return std::nullopt;
    DigitsReader reader;
    bool is_fraction = false;
    for (const char c : mantissa) {
        if (c == '.' && !is_fraction) {
            is_fraction = true;
        } else if (!is_digit(c) || !reader.add(c, is_fraction)) {
            return std::nullopt;
        }
    }
    return reader.result(exponent);
}

constexpr auto hex_values = [] {
    std::array<signed char, 256> values{};
    values.fill(-1);
    for (unsigned char i = 0; i < 16; ++i) {
        values[static_cast<unsigned char>("0123456789abcdef"[i])] = static_cast<signed char>(i);
        values[static_cast<unsigned char>("0123456789ABCDEF"[i])] = static_cast<signed char>(i);
    }
    return values;
}();

int hex_value(char c) {
    return hex_values[static_cast<unsigned char>(c)];
}

bool fits_int32(Int128 number) {
    return number >= std::numeric_limits<std::int32_t>::min() && number <= std::numeric_limits<std::int32_t>::max();
}

struct IntervalSum {
    Int128 months = 0;
    Int128 days = 0;
    Int128 us = 0;
};

// One "-3 days" or "+04:05:06.5". `unit` counts the kinds that were seen, which come in one order, each at most once.
bool read_interval_part(Scanner& text, int& unit, IntervalSum& sum) {
    const int sign = text.next() == '-' ? -1 : 1;
    if (!text.take('-')) text.take('+');
    std::int64_t number = 0;
    if (!text.digits(1, 10, number)) return false;
    const Int128 amount = Int128{number} * sign;
    int found = 0;
    if (text.next() == ':') {
        std::int64_t us = 0;
        if (!read_minutes(text, us)) return false;
        sum.us = amount * us_hour + Int128{us} * sign;
        found = 4;
    } else if (text.take(" year")) {
        sum.months += amount * 12;
        found = 1;
    } else if (text.take(" mon")) {
        sum.months += amount;
        found = 2;
    } else if (text.take(" day")) {
        sum.days = amount;
        found = 3;
    }
    if (found != 4) text.take('s');
    if (found <= unit) return false;
    unit = found;
    return true;
}

}  // namespace

std::optional<bool> parse_boolean(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<double> parse_double(std::string_view text) {
    return parse_floating<double>(text);
}

std::optional<float> parse_float(std::string_view text) {
    return parse_floating<float>(text);
}

std::optional<Int128> parse_decimal(std::string_view text, int width, int scale) {
    const bool is_negative = !text.empty() && text.front() == '-';
    const auto digits = read_digits(text.substr(is_negative ? 1 : 0));
    if (!digits) return std::nullopt;
    if (digits->value == 0) return Int128{0};
    const std::int64_t shift = digits->power + scale;
    if (shift < 0 || digits->count + shift > std::min(width, decimal_width_max)) return std::nullopt;
    const Int128 value = digits->value * powers_of_ten[static_cast<std::size_t>(shift)];
    return is_negative ? -value : value;
}

std::optional<std::int32_t> parse_date(std::string_view text) {
    if (text == "infinity") return date_infinity;
    if (text == "-infinity") return -date_infinity;
    Scanner scanner(text);
    Day date;
    if (!read_day(scanner, date) || !read_era(scanner, date)) return std::nullopt;
    const std::int64_t days = days_of(date);
    if (days <= -date_infinity || days >= date_infinity) return std::nullopt;
    return static_cast<std::int32_t>(days);
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
    return parse_instant(text, false);
}

std::optional<std::int64_t> parse_timestamptz(std::string_view text) {
    return parse_instant(text, true);
}

std::optional<std::int64_t> parse_time(std::string_view text) {
    Scanner scanner(text);
    std::int64_t us = 0;
    if (!read_time(scanner, us) || !scanner.at_end() || us > us_day) return std::nullopt;
    return us;
}

std::optional<Interval> parse_interval(std::string_view text) {
    Scanner scanner(text);
    IntervalSum sum;
    int unit = 0;
    do {
        if (!read_interval_part(scanner, unit, sum)) return std::nullopt;
    } while (scanner.take(' '));
    const bool fits =
        sum.us >= std::numeric_limits<std::int64_t>::min() && sum.us <= std::numeric_limits<std::int64_t>::max();
    if (!scanner.at_end() || !fits || !fits_int32(sum.months) || !fits_int32(sum.days)) return std::nullopt;
    return Interval{static_cast<std::int32_t>(sum.months), static_cast<std::int32_t>(sum.days),
                    static_cast<std::int64_t>(sum.us)};
}

std::optional<Uuid> parse_uuid(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    Uuid uuid;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-') return std::nullopt;
            continue;
        }
        const int digit = hex_value(text[i]);
        if (digit < 0) return std::nullopt;
        std::uint64_t& half = i < 18 ? uuid.high : uuid.low;
        half = half << 4 | static_cast<std::uint64_t>(digit);
    }
    return uuid;
}

bool parse_bytea(std::string_view text, std::string& out) {
    if (text.substr(0, 2) != "\\x" || text.size() % 2 != 0) return false;
    out.resize(text.size() / 2 - 1);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int byte = hex_value(text[2 * i + 2]) * 16 | hex_value(text[2 * i + 3]);  // negative if one is
        if (byte < 0) return false;
        out[i] = static_cast<char>(byte);
    }
    return true;
}

}  // namespace eider::lake
