#include "lake/json_row.h"

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace eider::lake {
namespace {

// Eight bytes at a time: a run of text is where nearly all of a row's bytes are. The first byte of memory must be the
// lowest of the word.
static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t each(char byte) {
    return 0x0101010101010101U * static_cast<unsigned char>(byte);
}

// The high bit of each byte that is below `limit` (at most 0x80). A borrow may also set it in bytes above the first such
// one, so only the lowest bit is to be trusted.
constexpr std::uint64_t below(std::uint64_t word, char limit) {
    return (word - each(limit)) & ~word & each('\x80');
}

constexpr std::uint64_t equal(std::uint64_t word, char byte) {
    return below(word ^ each(byte), 1);
}

constexpr std::uint64_t string_ends(std::uint64_t word) {
    return equal(word, '"') | equal(word, '\\') | below(word, ' ');
}

constexpr bool is_string_end(char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ';
}

// [ and ] differ from { and } in one bit.
constexpr std::uint64_t brackets(std::uint64_t word) {
    const std::uint64_t folded = word | each(0x20);
    return equal(folded, '{') | equal(folded, '}') | equal(word, '"');
}

constexpr bool is_bracket(char c) {
    return (c | 0x20) == '{' || (c | 0x20) == '}' || c == '"';
}

// The first byte of [at, end) that counts, or `end`.
template <std::uint64_t (*in_word)(std::uint64_t), bool (*is_one)(char)>
const char* find(const char* at, const char* end) {
    for (; end - at >= 8; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        const std::uint64_t found = in_word(word);
        if (found != 0) return at + std::countr_zero(found) / 8;
    }
    while (at != end && !is_one(*at)) ++at;
    return at;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Reads what the grammar names, or answers false; where it stands then does not matter.
class Reader {
public:
    explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    bool value(JsonValue& value) {
        skip_blanks();
        if (at_ == end_) return false;
        value.has_escapes = false;
        switch (*at_) {
            case '"': value.kind = JsonKind::string; return string(value.text, value.has_escapes);
            case '{':
            case '[': value.kind = JsonKind::nested; return slice(value.text, &Reader::skip_nested);
            case 't': value.kind = JsonKind::boolean; return word("true", value.text);
            case 'f': value.kind = JsonKind::boolean; return word("false", value.text);
            case 'n': value.kind = JsonKind::null; return word("null", value.text);
            default: value.kind = JsonKind::number; return slice(value.text, &Reader::skip_number);
        }
    }

    bool name(JsonField& field) {
        skip_blanks();
        return at_ != end_ && *at_ == '"' && string(field.name, field.name_has_escapes) && take(':');
    }

    bool take(char c) {
        skip_blanks();
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }

    bool at_end() {
        skip_blanks();
        return at_ == end_;
    }

private:
    void skip_blanks() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
    }

    bool slice(std::string_view& text, bool (Reader::*skip)()) {
        const char* start = at_;
        if (!(this->*skip)()) return false;
        text = {start, static_cast<std::size_t>(at_ - start)};
        return true;
    }

    bool word(std::string_view wanted, std::string_view& text) {
        if (static_cast<std::size_t>(end_ - at_) < wanted.size()) return false;
        text = {at_, wanted.size()};
        at_ += wanted.size();
        return text == wanted;
    }

    // What follows a backslash is checked by unescape; here it only matters that it does not end the string.
    bool string(std::string_view& text, bool& has_escapes) {
        const char* start = ++at_;
        has_escapes = false;
        for (;;) {
            at_ = find<string_ends, is_string_end>(at_, end_);
            if (at_ == end_) return false;
            if (*at_ == '"') break;
            if (*at_ != '\\' || end_ - at_ < 2) return false;  // a control character stands as an escape in JSON
            has_escapes = true;
            at_ += 2;
        }
        text = {start, static_cast<std::size_t>(at_ - start)};
        ++at_;
        return true;
    }

    // By depth, not by recursion: a value of a million brackets is only long. Inside, only the outermost pair is
    // compared; what reads the slice as an object or array checks the next.
    bool skip_nested() {
        const char closing = *at_ == '{' ? '}' : ']';
        std::string_view ignored;
        bool has_escapes = false;
        for (std::size_t depth = 0;;) {
            at_ = find<brackets, is_bracket>(at_, end_);
            if (at_ == end_) return false;
            if (*at_ == '"') {
                if (!string(ignored, has_escapes)) return false;
                continue;
            }
            const char bracket = *at_++;
            if (bracket == '{' || bracket == '[') ++depth;
            else if (--depth == 0) return bracket == closing;
        }
    }

    bool skip_number() {
        if (*at_ == '-') ++at_;
        if (at_ != end_ && *at_ == '0') ++at_;
        else if (!skip_digits()) return false;
        if (at_ != end_ && *at_ == '.') {
            ++at_;
            if (!skip_digits()) return false;
        }
        if (at_ == end_ || (*at_ | 0x20) != 'e') return true;
        ++at_;
        if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
        return skip_digits();
    }

    bool skip_digits() {
        const char* start = at_;
        while (at_ != end_ && is_digit(*at_)) ++at_;
        return at_ != start;
    }

    const char* at_;
    const char* end_;
};

void append_utf8(std::uint32_t code, std::string& out) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xC0 | code >> 6);
        tail(0);
    } else if (code < 0x10000) {
        out += static_cast<char>(0xE0 | code >> 12);
        tail(6);
        tail(0);
    } else {
        out += static_cast<char>(0xF0 | code >> 18);
        tail(12);
        tail(6);
        tail(0);
    }
}

// Of "\uXXXX" at `at`.
bool read_unit(std::string_view text, std::size_t at, std::uint32_t& unit) {
    if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return false;
    const char* digits = text.data() + at + 2;
    const auto [end, error] = std::from_chars(digits, digits + 4, unit, 16);
    return error == std::errc() && end == digits + 4;
}

bool is_high(std::uint32_t unit) {
    return unit >= 0xD800 && unit < 0xDC00;
}

bool is_low(std::uint32_t unit) {
    return unit >= 0xDC00 && unit < 0xE000;
}

// The escape at `at`, which is moved behind it.
bool read_unicode(std::string_view text, std::size_t& at, std::string& out) {
    std::uint32_t unit = 0;
    std::uint32_t second = 0;
    if (!read_unit(text, at, unit)) return false;
    at += 6;
    if (is_high(unit) && read_unit(text, at, second) && is_low(second)) {
        at += 6;
        append_utf8(0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00), out);
    } else {
        append_utf8(is_high(unit) || is_low(unit) ? 0xFFFD : unit, out);
    }
    return true;
}

bool read_escape(std::string_view text, std::size_t& at, std::string& out) {
    if (at + 1 == text.size()) return false;
    switch (const char c = text[at + 1]) {
        case '"':
        case '\\':
        case '/': out += c; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case 'u': return read_unicode(text, at, out);
        default: return false;
    }
    at += 2;
    return true;
}

}  // namespace

bool read_json(std::string_view text, JsonValue& value) {
    Reader reader(text);
    return reader.value(value) && reader.at_end();
}

bool read_object(std::string_view text, std::vector<JsonField>& fields) {
    fields.clear();
    Reader reader(text);
    if (!reader.take('{')) return false;
    if (reader.take('}')) return reader.at_end();
    do {
        JsonField& field = fields.emplace_back();
        if (!reader.name(field) || !reader.value(field.value)) return false;
    } while (reader.take(','));
    return reader.take('}') && reader.at_end();
}

bool read_array(std::string_view text, std::vector<JsonValue>& elements) {
    elements.clear();
    Reader reader(text);
    if (!reader.take('[')) return false;
    if (reader.take(']')) return reader.at_end();
    do {
        if (!reader.value(elements.emplace_back())) return false;
    } while (reader.take(','));
    return reader.take(']') && reader.at_end();
}

bool unescape(std::string_view text, std::string& out) {
    out.clear();
    for (std::size_t at = 0;;) {
        const std::size_t slash = text.find('\\', at);
        out.append(text.substr(at, slash - at));  // npos - at is beyond any text
        if (slash == std::string_view::npos) return true;
        at = slash;
        if (!read_escape(text, at, out)) return false;
    }
}

}  // namespace eider::lake
