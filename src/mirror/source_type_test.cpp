#include "mirror/source_type.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/text.h"

namespace eider::mirror {
namespace {

// PostgreSQL's other names of the types in docs/types.md.
const std::map<std::string, std::string, std::less<>> sql_names{
    {"boolean", "bool"}, {"smallint", "int2"},      {"integer", "int4"},
    {"bigint", "int8"},  {"real", "float4"},        {"double precision", "float8"},
    {"char", "bpchar"},  {"bit varying", "varbit"}, {"\"char\"", "char"},
};

const std::set<std::string, std::less<>> extension_names{"citext",  "ltree",     "lquery",   "cube",
                                                         "seg",     "isbn13",    "hstore",   "vector",
                                                         "halfvec", "sparsevec", "geometry", "geography"};

SourceType array_of(SourceType element, int dimensions) {
    SourceType type{element.schema, "_" + element.name};
    type.modifier = element.modifier;  // as pg_attribute has it: of the array, not of the element
    type.is_array = true;
    type.dimensions = dimensions;
    element.modifier = -1;
    type.parts.push_back({"", std::move(element)});
    return type;
}

// numerictypmodin in numeric.c.
int numeric_modifier(int precision, int scale) {
    return ((precision << 16) | (scale & 0x7FF)) + 4;
}

// A type as the first column of the table writes it.
class DocumentedType {
public:
    explicit DocumentedType(std::string_view text) : rest_(text) {}

    SourceType whole() {
        SourceType found = type();
        EXPECT_EQ(rest_, "") << "left over";
        return found;
    }

private:
    SourceType type() {
        SourceType found = rest_.starts_with("(")              ? composite()
                           : rest_.starts_with("domain over ") ? domain()
                                                               : named();
        int dimensions = 0;
        while (take("[]")) ++dimensions;
        return dimensions == 0 ? found : array_of(std::move(found), dimensions);
    }

    SourceType domain() {
        take("domain over ");
        SourceType base = type();
        SourceType found{"public", "a_domain", 'd'};
        // PostgreSQL has the modifier at the domain that is over the type itself (DefineDomain in typecmds.c).
        std::swap(found.modifier, base.modifier);
        std::swap(found.dimensions, base.dimensions);
        found.parts.push_back({"", std::move(base)});
        return found;
    }

    // Also "(domain over x)", which is no composite: only to tell its brackets.
    SourceType composite() {
        take("(");
        if (rest_.starts_with("domain")) {
            SourceType found = domain();
            EXPECT_TRUE(take(")"));
            return found;
        }
        SourceType found{"public", "a_composite", 'c'};
        while (!take(")") && !rest_.empty()) {
            std::string name(word());
            if (name.starts_with("\"")) name = name.substr(1, name.size() - 2);
            EXPECT_TRUE(take(" ")) << rest_;
            found.parts.push_back({name, type()});
            take(", ");
        }
        return found;
    }

    SourceType named() {
        std::string name(word());
        for (const std::string_view second : {" precision", " varying"}) {
            if (take(second)) name += second;
        }
        if (name == "enum") return {"public", "an_enum", 'e'};
        if (const auto known = sql_names.find(name); known != sql_names.end()) name = known->second;
        const bool is_range = name.ends_with("range");
        SourceType found{extension_names.contains(name) ? "public" : "pg_catalog", name, is_range ? 'r' : 'b'};
        if (name.starts_with("_")) return array_of({"pg_catalog", name.substr(1)}, 0);
        if (take("(")) found.modifier = modifier(name);
        return found;
    }

    int modifier(const std::string& name) {
        const std::string inside(rest_.substr(0, rest_.find(')')));
        rest_.remove_prefix(inside.size() + 1);
        const auto numbers = split(inside, ',');
        return name == "numeric" ? numeric_modifier(std::stoi(numbers.at(0)), std::stoi(numbers.at(1)))
                                 : std::stoi(inside) + 4;
    }

    std::string_view word() {
        const std::string_view found = rest_.substr(0, rest_.find_first_of(" ()[],"));
        rest_.remove_prefix(found.size());
        return found;
    }

    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }

    std::string_view rest_;
};

std::vector<std::string> in_backquotes(const std::string& cell) {
    std::vector<std::string> found;
    const auto parts = split(cell, '`');
    for (std::size_t i = 1; i < parts.size(); i += 2) found.emplace_back(parts[i]);
    return found;
}

std::string sql_of(std::string_view documented) {
    return lake_type(DocumentedType(documented).whole()).sql();
}

SourceType built_in(const char* name, int modifier = -1) {
    return {"pg_catalog", name, 'b', modifier};
}

TEST(SourceType, IsWhatTheDocumentationSays) {
    const char* root = std::getenv("EIDER_ROOT");
    if (root == nullptr) GTEST_SKIP() << "EIDER_ROOT is not set: run by ctest";
    std::ifstream file(std::filesystem::path(root) / "docs/types.md");
    std::size_t checked = 0;
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("| `")) continue;
        const auto cells = split(line, '|');
        ASSERT_EQ(cells.size(), 5U) << line;
        const auto lake = in_backquotes(std::string(cells[2]));
        ASSERT_EQ(lake.size(), 1U) << line;
        EXPECT_TRUE(lake::parse_type(lake[0]).has_value()) << lake[0];
        for (const std::string& documented : in_backquotes(std::string(cells[1]))) {
            EXPECT_EQ(sql_of(documented), lake[0]) << documented;
            ++checked;
        }
    }
    EXPECT_GT(checked, 90U);
}

TEST(SourceType, IsTextWhereTheLakeHasNothingOfTheKind) {
    EXPECT_EQ(lake_type({"public", "something"}), lake::Type{lake::TypeKind::text});
    EXPECT_EQ(lake_type({"pg_catalog", "something_new", 'm'}), lake::Type{lake::TypeKind::text});
    EXPECT_EQ(lake_type({}), lake::Type{lake::TypeKind::text});
}

// Whoever may create types cannot make a mirror read values as what they are not: the schema and the kind count.
TEST(SourceType, IsNotGuessedByItsNameAlone) {
    EXPECT_EQ(lake_type({"public", "int4"}).sql(), "VARCHAR");
    EXPECT_EQ(lake_type({"public", "hstore", 'e'}).sql(), "VARCHAR");
    EXPECT_EQ(lake_type({"public", "vector", 'r'}).sql(), "VARCHAR");
    EXPECT_EQ(lake_type({"extensions", "hstore"}).sql(), "JSON");
    SourceType domain{"public", "json", 'd'};
    domain.parts.push_back({"", built_in("int4")});
    EXPECT_EQ(lake_type(domain).sql(), "INTEGER");
}

TEST(SourceType, HasADecimalAsLongAsItsDigitsFit) {
    EXPECT_EQ(lake_type(built_in("numeric", numeric_modifier(38, 38))).sql(), "DECIMAL(38,38)");
    EXPECT_EQ(lake_type(built_in("numeric", numeric_modifier(1, 0))).sql(), "DECIMAL(1,0)");
    EXPECT_EQ(lake_type(built_in("numeric", numeric_modifier(1000, 1000))).sql(), "VARCHAR");
    EXPECT_EQ(lake_type(built_in("numeric", numeric_modifier(1, -1000))).sql(), "VARCHAR");
    EXPECT_EQ(lake_type(built_in("numeric", numeric_modifier(37, -1))).sql(), "DECIMAL(38,0)");
    EXPECT_EQ(lake_type(built_in("numeric", numeric_modifier(2, 38))).sql(), "DECIMAL(38,38)");
    // As a server wrote them: \d of numeric(10,2), numeric(3,-2), numeric(3,5).
    EXPECT_EQ(lake_type(built_in("numeric", 655366)).sql(), "DECIMAL(10,2)");
    EXPECT_EQ(lake_type(built_in("numeric", 198658)).sql(), "DECIMAL(5,0)");
    EXPECT_EQ(lake_type(built_in("numeric", 196617)).sql(), "DECIMAL(5,5)");
}

TEST(SourceType, MayKnowTheModifierOfAnArrayAtItsElement) {
    SourceType array{"pg_catalog", "_numeric"};
    array.is_array = true;
    array.parts.push_back({"", built_in("numeric", numeric_modifier(10, 2))});
    EXPECT_EQ(lake_type(array).sql(), "DECIMAL(10,2)[]");
}

}  // namespace
}  // namespace eider::mirror
