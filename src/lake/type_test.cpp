#include "lake/type.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/text.h"
#include "lake/engine.h"

namespace eider::lake {
namespace {

Type list_of(Type element) {
    Type list{TypeKind::list};
    list.fields.push_back({"", std::move(element)});
    return list;
}

Type decimal(int width, int scale) {
    return {TypeKind::decimal, width, scale};
}

std::vector<Type> all_types() {
    std::vector<Type> types{decimal(38, 10), decimal(1, 0), decimal(38, 38)};
    for (const TypeKind kind : {TypeKind::boolean, TypeKind::int16, TypeKind::int32, TypeKind::int64, TypeKind::float32,
                                TypeKind::float64, TypeKind::text, TypeKind::json, TypeKind::blob, TypeKind::date,
                                TypeKind::timestamp, TypeKind::timestamptz, TypeKind::time, TypeKind::uuid}) {
        types.push_back({kind});
        types.push_back(list_of({kind}));
        types.push_back({TypeKind::structure, 0, 0, {{"a", {kind}}, {"A b\"c", list_of(list_of({kind}))}}});
    }
    types.push_back(list_of(types.back()));
    return types;
}

TEST(LakeType, IsWrittenAsDuckDbWritesIt) {
    EXPECT_EQ(decimal(38, 10).sql(), "DECIMAL(38,10)");
    EXPECT_EQ(list_of({TypeKind::int64}).sql(), "BIGINT[]");
    EXPECT_EQ(Type{TypeKind::interval}.sql(), "INTERVAL");
    const Type structure{TypeKind::structure,
                         0,
                         0,
                         {{"a", {TypeKind::int32}}, {"B c", list_of({TypeKind::text})}, {"end", {TypeKind::date}}}};
    EXPECT_EQ(structure.sql(), R"(STRUCT(a INTEGER, "B c" VARCHAR[], "end" DATE))");
    Session session = Engine({}, {}).connect();
    for (const Type& type : all_types()) {
        const std::string written = session.query("SELECT typeof(NULL::" + type.sql() + ")").text(0, 0);
        EXPECT_EQ(parse_type(written), type) << type.sql() << " became " << written;
        EXPECT_TRUE(written == type.sql() || written.find("STRUCT") == 0) << written;  // DuckDB quotes more names
    }
}

TEST(LakeType, IsReadFromWhatItIsWrittenAs) {
    for (const Type& type : all_types()) EXPECT_EQ(parse_type(type.sql()), type) << type.sql();
}

TEST(LakeType, MayBeAskedForInOtherWords) {
    EXPECT_EQ(parse_type(" decimal( 38 , 10 ) "), decimal(38, 10));
    EXPECT_EQ(parse_type("numeric(5,0)[ ] []"), list_of(list_of(decimal(5, 0))));
    EXPECT_EQ(parse_type("timestamptz"), Type{TypeKind::timestamptz});
    EXPECT_EQ(parse_type("Timestamp with  time zone[]"), list_of({TypeKind::timestamptz}));
    EXPECT_EQ(parse_type("text"), Type{TypeKind::text});
    EXPECT_EQ(parse_type("struct(\"a\"\"\" int)"), (Type{TypeKind::structure, 0, 0, {{"a\"", {TypeKind::int32}}}}));
}

TEST(LakeType, IsNotAnythingElse) {
    std::string deep = "INTEGER";
    for (int i = 0; i < 100'000; ++i) deep += "[]";
    std::string nested;
    for (int i = 0; i < 100'000; ++i) nested += "STRUCT(a ";
    for (const std::string& text : {std::string(),
                                    std::string(" "),
                                    std::string("DECIMAL"),
                                    std::string("DECIMAL(39,0)"),
                                    std::string("DECIMAL(0,0)"),
                                    std::string("DECIMAL(5,6)"),
                                    std::string("DECIMAL(5)"),
                                    std::string("DECIMAL(5,-1)"),
                                    std::string("DECIMAL(99999999999999999999,0)"),
                                    std::string("INTEGER[3]"),
                                    std::string("INTEGER["),
                                    std::string("INTEGER]"),
                                    std::string("INTEGER x"),
                                    std::string("STRUCT()"),
                                    std::string("STRUCT(a)"),
                                    std::string("STRUCT(a INTEGER"),
                                    std::string("STRUCT(a INTEGER,)"),
                                    std::string("STRUCT(a INTEGER, A DATE)"),
                                    std::string("STRUCT(\"\" INTEGER)"),
                                    std::string("STRUCT(\"a INTEGER)"),
                                    std::string("STRUCT(1a INTEGER)"),
                                    std::string("TIMESTAMP WITH TIME"),
                                    std::string("INTERVAL"),
                                    std::string("BIT"),
                                    std::string("MAP(INTEGER, INTEGER)"),
                                    std::string("INTEGER; DROP TABLE x"),
                                    deep,
                                    nested}) {
        EXPECT_EQ(parse_type(text), std::nullopt) << text.substr(0, 40);
    }
}

TEST(LakeType, QuotesTheNamesThatDuckDbCannotReadWithoutQuotes) {
    Session session = Engine({}, {}).connect();
    const Rows words = session.query("SELECT DISTINCT keyword_name FROM duckdb_keywords()");
    ASSERT_GT(words.rows.size(), 400U);
    for (std::size_t row = 0; row < words.rows.size(); ++row) {
        const Type type{TypeKind::structure, 0, 0, {{words.text(row, 0), {TypeKind::int32}}, {"x", {TypeKind::date}}}};
        EXPECT_NO_THROW(session.run("SELECT NULL::" + type.sql())) << type.sql();
        EXPECT_EQ(parse_type(type.sql()), type);
    }
}

TEST(LakeType, IsKeptOutOfTheCatalogWhereItWouldBreakThere) {
    for (const char* type : {"INTEGER", "JSON", "VARCHAR[]", "BLOB[][]", "DECIMAL(38,10)[]"}) {
        EXPECT_TRUE(can_be_inlined(parse_type(type).value())) << type;
    }
    for (const char* type : {"JSON[]", "JSON[][]", "STRUCT(a INTEGER)", "STRUCT(a INTEGER)[]"}) {
        EXPECT_FALSE(can_be_inlined(parse_type(type).value())) << type;
    }
}

TEST(LakeType, HoldsNoTwoFieldsThatDifferOnlyInCase) {
    const auto fields = [](const std::vector<std::string>& names) {
        std::vector<TypeField> all;
        for (const auto& name : names) all.push_back({name, {}});
        return all;
    };
    EXPECT_TRUE(has_same_names(fields({"a", "b", "A"})));
    EXPECT_FALSE(has_same_names(fields({"a", "b", "ä", "Ä"})));
    EXPECT_FALSE(has_same_names({}));
    EXPECT_ANY_THROW(Engine({}, {}).connect().run("CREATE TABLE t (v STRUCT(a INTEGER, A INTEGER))"));
    EXPECT_NO_THROW(Engine({}, {}).connect().run("CREATE TABLE t (v STRUCT(\"ä\" INTEGER, \"Ä\" INTEGER))"));
}

}  // namespace
}  // namespace eider::lake
