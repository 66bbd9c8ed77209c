#include "lake/type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

#include <fmt/format.h>

#include "base/text.h"

namespace eider::lake {
namespace {

constexpr int decimal_width_max = 38;
constexpr int depth_max = 64;  // of a type that somebody typed in; a bound for the recursion

struct NamedKind {
    std::string_view name;
    TypeKind kind;
};

// The first name of a kind is the one that DuckDB writes. INTERVAL can be written but not asked for, see parse_type.
constexpr std::array names{
    NamedKind{"BOOLEAN", TypeKind::boolean},
    NamedKind{"SMALLINT", TypeKind::int16},
    NamedKind{"INTEGER", TypeKind::int32},
    NamedKind{"BIGINT", TypeKind::int64},
    NamedKind{"FLOAT", TypeKind::float32},
    NamedKind{"DOUBLE", TypeKind::float64},
    NamedKind{"VARCHAR", TypeKind::text},
    NamedKind{"JSON", TypeKind::json},
    NamedKind{"BLOB", TypeKind::blob},
    NamedKind{"DATE", TypeKind::date},
    NamedKind{"TIMESTAMP", TypeKind::timestamp},
    NamedKind{"TIMESTAMP WITH TIME ZONE", TypeKind::timestamptz},
    NamedKind{"TIME", TypeKind::time},
    NamedKind{"UUID", TypeKind::uuid},
    NamedKind{"BOOL", TypeKind::boolean},
    NamedKind{"INT", TypeKind::int32},
    NamedKind{"REAL", TypeKind::float32},
    NamedKind{"TEXT", TypeKind::text},
    NamedKind{"TIMESTAMPTZ", TypeKind::timestamptz},
};

// The words that DuckDB 1.5.5 does not take as the name of a field without quotes; sorted. A test asks the library.
constexpr auto reserved = std::to_array<std::string_view>(
    {"all",       "analyse",      "analyze",      "and",         "anti",    "any",           "array",
     "as",        "asc",          "asof",         "asymmetric",  "at",      "authorization", "binary",
     "both",      "by",           "case",         "cast",        "check",   "collate",       "collation",
     "column",    "concurrently", "constraint",   "create",      "cross",   "default",       "deferrable",
     "desc",      "describe",     "distinct",     "do",          "else",    "end",           "except",
     "false",     "fetch",        "for",          "foreign",     "freeze",  "from",          "full",
     "glob",      "group",        "having",       "ilike",       "in",      "initially",     "inner",
     "intersect", "into",         "is",           "isnull",      "join",    "lambda",        "lateral",
     "leading",   "left",         "like",         "limit",       "natural", "not",           "notnull",
     "null",      "offset",       "on",           "only",        "or",      "order",         "outer",
     "overlaps",  "pivot",        "pivot_longer", "pivot_wider", "placing", "positional",    "primary",
     "qualify",   "references",   "returning",    "right",       "select",  "semi",          "show",
     "similar",   "some",         "summarize",    "symmetric",   "table",   "tablesample",   "then",
     "to",        "trailing",     "true",         "union",       "unique",  "unpack",        "unpivot",
     "using",     "variadic",     "verbose",      "when",        "where",   "window",        "with"});
static_assert(std::is_sorted(reserved.begin(), reserved.end()));

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool is_letter(char c) {
    return upper(c) >= 'A' && upper(c) <= 'Z';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_word(char c) {
    return is_letter(c) || is_digit(c) || c == '_';
}

bool is_plain_name(std::string_view name) {
    const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_'; };
    return !name.empty() && !is_digit(name.front()) && std::all_of(name.begin(), name.end(), is_plain) &&
           !std::binary_search(reserved.begin(), reserved.end(), name);
}

std::string structure_sql(const std::vector<TypeField>& fields) {
    std::vector<std::string> parts;
    parts.reserve(fields.size());
    for (const auto& [name, type] : fields) {
        parts.push_back((is_plain_name(name) ? name : quote_ident(name)) + ' ' + type.sql());
    }
    return "STRUCT(" + join(parts, ", ") + ")";
}

// Recursive descent; every step that does not find what it needs ends the whole.
class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    std::optional<Type> whole() {
        auto parsed = type(0);
        skip_blanks();
        return at_ == text_.size() ? parsed : std::nullopt;
    }

private:
    std::optional<Type> type(int depth) {
        if (depth > depth_max) return std::nullopt;
        auto parsed = element(depth);
        while (parsed && take('[')) {
            if (!take(']') || ++depth > depth_max) return std::nullopt;
            Type list{TypeKind::list};
            list.fields.push_back({"", std::move(*parsed)});
            parsed = std::move(list);
        }
        return parsed;
    }

    std::optional<Type> element(int depth) {
        const std::string name = word();
        if (name == "STRUCT") return structure(depth);
        if (name == "DECIMAL" || name == "NUMERIC") return decimal();
        const auto found = std::find_if(names.begin(), names.end(), [&](const NamedKind& n) { return n.name == name; });
        if (found == names.end()) return std::nullopt;
        if (found->kind == TypeKind::timestamp && take_words({"WITH", "TIME", "ZONE"}))
            return Type{TypeKind::timestamptz};
        return Type{found->kind};
    }

    std::optional<Type> decimal() {
        Type parsed{TypeKind::decimal};
        if (!take('(') || !number(parsed.width) || !take(',') || !number(parsed.scale) || !take(')'))
            return std::nullopt;
        if (parsed.width < 1 || parsed.width > decimal_width_max || parsed.scale > parsed.width) return std::nullopt;
        return parsed;
    }

    std::optional<Type> structure(int depth) {
        Type parsed{TypeKind::structure};
        if (!take('(')) return std::nullopt;
        do {
            auto name = field_name();
            if (!name) return std::nullopt;
            auto field = type(depth + 1);
            if (!field) return std::nullopt;
            parsed.fields.push_back({std::move(*name), std::move(*field)});
        } while (take(','));
        if (!take(')') || has_same_names(parsed.fields)) return std::nullopt;
        return parsed;
    }

    std::optional<std::string> field_name() {
        skip_blanks();
        const std::size_t start = at_;
        if (at_ == text_.size() || text_[at_] != '"') {
            return word().empty() ? std::nullopt : std::optional(std::string(text_.substr(start, at_ - start)));
        }
        std::string name;
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '"' && (at_ + 1 == text_.size() || text_[++at_] != '"')) {
                return name.empty() ? std::nullopt : std::optional(name);
            }
            name += text_[at_];
        }
        return std::nullopt;
    }

    std::string word() {  // in capitals
        skip_blanks();
        std::string found;
        if (at_ < text_.size() && is_digit(text_[at_])) return found;
        for (; at_ < text_.size() && is_word(text_[at_]); ++at_) found += upper(text_[at_]);
        return found;
    }

    bool take_words(std::initializer_list<std::string_view> wanted) {
        const std::size_t start = at_;
        for (const std::string_view one : wanted) {
            if (word() != one) {
                at_ = start;
                return false;
            }
        }
        return true;
    }

    bool number(int& out) {
        skip_blanks();
        if (at_ == text_.size() || !is_digit(text_[at_])) return false;
        const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), out);
        at_ = static_cast<std::size_t>(end - text_.data());
        return error == std::errc();
    }

    bool take(char c) {
        skip_blanks();
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    void skip_blanks() {
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::string capitals(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(), upper);
    return name;
}

}  // namespace

std::string Type::sql() const {
    switch (kind) {
        case TypeKind::decimal: return fmt::format("DECIMAL({},{})", width, scale);
        case TypeKind::interval: return "INTERVAL";
        case TypeKind::list: return fields.at(0).type.sql() + "[]";
        case TypeKind::structure: return structure_sql(fields);
        default: break;
    }
    const auto found = std::find_if(names.begin(), names.end(), [this](const NamedKind& n) { return n.kind == kind; });
    return std::string(found->name);
}

bool has_same_names(const std::vector<TypeField>& fields) {
    std::vector<std::string> seen;
    seen.reserve(fields.size());
    for (const auto& field : fields) seen.push_back(capitals(field.name));
    std::sort(seen.begin(), seen.end());
    return std::adjacent_find(seen.begin(), seen.end()) != seen.end();
}

bool can_be_inlined(const Type& type) {
    if (type.kind == TypeKind::structure) return false;
    if (type.kind != TypeKind::list) return true;
    const Type& element = type.fields.at(0).type;
    return element.kind != TypeKind::json && can_be_inlined(element);
}

std::optional<Type> parse_type(std::string_view sql) {
    return Parser(sql).whole();
}

}  // namespace eider::lake
