// Values of every type come to their mirror by the change log and by the first copy, and are the same both ways: what a
// stranger then reads stands here, written by hand. What does not fit sets one table aside, and heals.
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "support/mirrors.h"

namespace eider::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Row = Pipeline::Row;

struct Value {
    std::string literal;  // in PostgreSQL
    std::string read;     // v::VARCHAR by DuckDB
};

struct TypeOfColumn {
    std::string source;
    std::string lake;
    std::vector<Value> values;
};

const std::string nines(38, '9');

// Every mirror also gets a NULL.
const std::vector<TypeOfColumn>& types() {
    static const std::vector<TypeOfColumn> all{
        {"boolean", "BOOLEAN", {{"true", "true"}, {"false", "false"}}},
        {"smallint", "SMALLINT", {{"-32768", "-32768"}, {"32767", "32767"}, {"0", "0"}}},
        {"integer", "INTEGER", {{"-2147483648", "-2147483648"}, {"2147483647", "2147483647"}}},
        {"bigint",
         "BIGINT",
         {{"-9223372036854775808", "-9223372036854775808"}, {"9223372036854775807", "9223372036854775807"}}},
        {"oid", "BIGINT", {{"4294967295", "4294967295"}, {"0", "0"}}},
        {"real",
         "FLOAT",
         {{"'NaN'", "nan"},
          {"'Infinity'", "inf"},
          {"'-Infinity'", "-inf"},
          {"'-0'", "-0.0"},
          {"0.1", "0.1"},
          {"3.4028235e38", "3.4028235e+38"},
          {"1e-45", "1e-45"}}},
        {"double precision",
         "DOUBLE",
         {{"'NaN'", "nan"},
          {"'Infinity'", "inf"},
          {"'-Infinity'", "-inf"},
          {"'-0'", "-0.0"},
          {"0.1", "0.1"},
          {"1.7976931348623157e308", "1.7976931348623157e+308"},
          {"5e-324", "5e-324"}}},
        {"numeric(12,2)", "DECIMAL(12,2)", {{"1.5", "1.50"}, {"-9999999999.99", "-9999999999.99"}, {"0.005", "0.01"}}},
        {"numeric(4,4)", "DECIMAL(4,4)", {{"0.9999", ".9999"}, {"-0.0001", "-.0001"}}},
        {"numeric(38,0)", "DECIMAL(38,0)", {{nines, nines}, {"-" + nines, "-" + nines}}},
        {"numeric(38,10)",
         "DECIMAL(38,10)",
         {{"9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"},
          {"1e-10", "0.0000000001"}}},
        {"numeric(39,0)", "VARCHAR", {{nines + "9", nines + "9"}, {"'NaN'", "NaN"}}},
        {"numeric",
         "DOUBLE",
         {{"1.50", "1.5"},
          {"'NaN'", "nan"},
          {"1e308", "1e+308"},
          {"-0.1", "-0.1"},
          {"12345678901234567890", "1.2345678901234567e+19"}}},
        {"money", "VARCHAR", {{"'-1234.5'", "-$1,234.50"}, {"'0'", "$0.00"}}},
        {"text",
         "VARCHAR",
         {{"''", ""},
          {"'NULL'", "NULL"},
          {"'it''s \"ü\" \\ 😀'", "it's \"ü\" \\ 😀"},
          {"E'tab\\tline\\nback\\\\'", "tab\tline\nback\\"}}},
        {"varchar(10)", "VARCHAR", {{"'  ten  '", "  ten  "}}},
        {"char(5)", "VARCHAR", {{"'ab'", "ab   "}, {"''", "     "}}},
        {"name", "VARCHAR", {{"'a name'", "a name"}}},
        {"\"char\"", "VARCHAR", {{"'x'", "x"}}},
        {"citext", "VARCHAR", {{"'MiXed'", "MiXed"}}},
        {"mood", "VARCHAR", {{"'sad'", "sad"}, {"'very happy'", "very happy"}}},
        {"json",
         "JSON",
         {{"'{\"b\": 1,  \"a\": 1.00}'", "{\"b\": 1,  \"a\": 1.00}"},
          {"'[1, null]'", "[1, null]"},
          {"'\"text\"'", "\"text\""}}},
        {"jsonb",
         "JSON",
         {{"'{\"b\": 1,  \"a\": 1.00}'", "{\"a\": 1.00, \"b\": 1}"},
          {"'12345678901234567890123.10'", "12345678901234567890123.10"},
          {"'\"😀\"'", "\"😀\""}}},
        {"bytea", "BLOB", {{"'\\x'", ""}, {"'\\x00ff41'", "\\x00\\xFFA"}}},
        {"date",
         "DATE",
         {{"'2026-03-01'", "2026-03-01"},
          {"'infinity'", "infinity"},
          {"'-infinity'", "-infinity"},
          {"'4714-11-24 BC'", "4714-11-24 (BC)"},
          {"'5874897-12-31'", "5874897-12-31"},
          {"'10000-01-01'", "10000-01-01"}}},
        {"timestamp",
         "TIMESTAMP",
         {{"'2026-03-01 12:00:00.000001'", "2026-03-01 12:00:00.000001"},
          {"'infinity'", "infinity"},
          {"'-infinity'", "-infinity"},
          {"'4714-11-24 BC'", "4714-11-24 (BC) 00:00:00"},
          {"'10000-01-01'", "10000-01-01 00:00:00"},
          {"'294247-01-10 04:00:54.775806'", "294247-01-10 04:00:54.775806"}}},
        {"timestamptz",
         "TIMESTAMP WITH TIME ZONE",
         {{"'2026-03-01 12:00:00.5+05:30'", "2026-03-01 06:30:00.5+00"},
          {"'infinity'", "infinity"},
          {"'-infinity'", "-infinity"},
          {"'0044-03-15 12:00:00+00 BC'", "0044-03-15 (BC) 12:00:00+00"}}},
        {"time",
         "TIME",
         {{"'24:00:00'", "24:00:00"}, {"'00:00:00'", "00:00:00"}, {"'23:59:59.999999'", "23:59:59.999999"}}},
        {"timetz", "VARCHAR", {{"'10:00:00+02'", "10:00:00+02"}, {"'24:00:00-15:59'", "24:00:00-15:59"}}},
        {"interval",
         "VARCHAR",
         {{"'1 year 2 mons -3 days 4:05:06.000001'", "1 year 2 mons -3 days +04:05:06.000001"},
          {"'0'", "00:00:00"},
          {"'-1 us'", "-00:00:00.000001"},
          {"'178000000 years'", "178000000 years"}}},
        {"uuid",
         "UUID",
         {{"'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000"},
          {"'FFFFFFFF-ffff-ffff-ffff-ffffffffffff'", "ffffffff-ffff-ffff-ffff-ffffffffffff"}}},
        {"bit(3)", "VARCHAR", {{"B'101'", "101"}}},
        {"bit varying", "VARCHAR", {{"B''", ""}, {"B'0001'", "0001"}}},
        {"inet", "VARCHAR", {{"'10.0.0.1/8'", "10.0.0.1/8"}, {"'::1'", "::1"}}},
        {"cidr", "VARCHAR", {{"'10.0.0.0/8'", "10.0.0.0/8"}}},
        {"macaddr", "VARCHAR", {{"'08:00:2B:01:02:03'", "08:00:2b:01:02:03"}}},
        {"xml", "VARCHAR", {{"'<a>ü</a>'", "<a>ü</a>"}}},
        {"tsvector", "VARCHAR", {{"'a:1 b:2'", "'a':1 'b':2"}}},
        {"pg_lsn", "VARCHAR", {{"'16/B374D848'", "16/B374D848"}}},
        {"xid8", "VARCHAR", {{"'18446744073709551615'", "18446744073709551615"}}},
        {"regclass", "VARCHAR", {{"'pg_class'", "pg_class"}}},
        {"point", "VARCHAR", {{"'(1,-2.5)'", "(1,-2.5)"}}},
        {"polygon", "VARCHAR", {{"'((0,0),(1,1))'", "((0,0),(1,1))"}}},
        {"int4range", "VARCHAR", {{"'[1,5]'", "[1,6)"}, {"'empty'", "empty"}, {"'(,)'", "(,)"}}},
        {"tstzrange", "VARCHAR", {{"'[2026-03-01 12:00:00+00,)'", "[\"2026-03-01 12:00:00+00\",)"}}},
        {"int4multirange", "VARCHAR", {{"'{[1,5),[7,9)}'", "{[1,5),[7,9)}"}, {"'{}'", "{}"}}},
        {"ltree", "VARCHAR", {{"'a.b.c'", "a.b.c"}, {"''", ""}}},
        {"hstore", "JSON", {{"'a=>1, b=>NULL'", "{\"a\": \"1\", \"b\": null}"}, {"''", "{}"}}},
        {"integer[]", "INTEGER[]", {{"'{}'", "[]"}, {"'{1,NULL,-3}'", "[1, NULL, -3]"}, {"'[5:6]={1,2}'", "[1, 2]"}}},
        {"integer[][]", "INTEGER[][]", {{"'{{1,2},{NULL,4}}'", "[[1, 2], [NULL, 4]]"}, {"'{}'", "[]"}}},
        {"text[]", "VARCHAR[]", {{"ARRAY['', 'NULL', NULL, 'a,b', '😀']", "['', 'NULL', NULL, 'a,b', 😀]"}}},
        {"numeric(10,2)[]", "DECIMAL(10,2)[]", {{"'{1.5,NULL}'", "[1.50, NULL]"}}},
        {"timestamptz[]",
         "TIMESTAMP WITH TIME ZONE[]",
         {{"'{\"2026-03-01 12:00:00+01\",infinity}'", "['2026-03-01 11:00:00+00', infinity]"}}},
        {"interval[]", "VARCHAR[]", {{"'{1 day,NULL}'", "[1 day, NULL]"}}},
        {"mood[]", "VARCHAR[]", {{"'{sad,NULL}'", "[sad, NULL]"}}},
        {"jsonb[]", "JSON", {{"ARRAY['{\"a\": 1}', NULL]::jsonb[]", "[{\"a\": 1},null]"}}},
        {"int2vector", "SMALLINT[]", {{"'1 2'", "[1, 2]"}}},
        {"pair",
         "JSON",
         {{"ROW(1, 'x\"y')", "{\"a\":1,\"b\":\"x\\\"y\"}"}, {"ROW(NULL, NULL)", "{\"a\":null,\"b\":null}"}}},
        {"pair[]", "JSON", {{"ARRAY[ROW(1, 'x')]::pair[]", "[{\"a\":1,\"b\":\"x\"}]"}}},
        {"price", "DECIMAL(10,2)", {{"1.5", "1.50"}}},
        {"cheap_price", "DECIMAL(10,2)", {{"1.5", "1.50"}}},
        {"numbers", "INTEGER[]", {{"'{1,2}'", "[1, 2]"}}},
    };
    return all;
}

class MirrorTypes : public testing::Test {
protected:
    std::vector<Client::Row> run(const std::string& sql) { return mirrored_.run(sql); }

    Mirrored mirrored_;
};

TEST_F(MirrorTypes, HoldEveryValueTheSameByLogAndByCopy) {
    run("CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE TYPE mood AS ENUM ('sad', "
        "'happy'); CREATE TYPE pair AS (a int, b text);"
        "CREATE DOMAIN price AS numeric(10,2); CREATE DOMAIN cheap_price AS price CHECK (value < 100); CREATE DOMAIN "
        "numbers AS int[]; ALTER TYPE mood ADD VALUE 'very happy'");
    std::string tables;
    std::vector<std::string> rows;
    std::vector<std::string> questions;
    std::vector<std::string> type_questions;
    for (std::size_t i = 0; i < types().size(); ++i) {
        tables += fmt::format(
            "CREATE TABLE copied_{0} (id int PRIMARY KEY, v {1}); CREATE TABLE logged_{0} (id int PRIMARY KEY, v {1});",
            i, types()[i].source);
        std::string values = "(0, NULL)";
        for (std::size_t k = 0; k < types()[i].values.size(); ++k)
            values += fmt::format(", ({}, {})", k + 1, types()[i].values[k].literal);
        rows.push_back(fmt::format("INSERT INTO {{}}_{} VALUES {}", i, values));
        for (const auto* way : {"copied", "logged"}) {
            questions.push_back(fmt::format("SELECT '{0}_{1}' AS t, id, v::VARCHAR FROM lake.public.{0}_{1}", way, i));
            type_questions.push_back(fmt::format(
                "SELECT '{0}_{1}', column_type FROM (DESCRIBE lake.public.{0}_{1}) WHERE column_name = 'v'", way, i));
        }
    }
    run(tables);
    const auto insert = [&](const std::string& way) {
        for (auto statement : rows) run(statement.replace(statement.find("{}"), 2, way));
    };
    insert("copied");
    mirrored_.init();
    mirrored_.sync();
    insert("logged");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify(), "");
    mirrored_.stop();

    std::map<std::string, std::string> read;
    for (const auto& row : mirrored_.pipeline.lake(join(questions, " UNION ALL ")))
        read[row.at(0) + " " + row.at(1)] = row.at(2);
    std::map<std::string, std::string> read_types;
    for (const auto& row : mirrored_.pipeline.lake(join(type_questions, " UNION ALL ")))
        read_types[row.at(0)] = row.at(1);
    for (std::size_t i = 0; i < types().size(); ++i) {
        const auto& type = types()[i];
        for (const auto* way : {"copied", "logged"}) {
            const std::string table = fmt::format("{}_{}", way, i);
            EXPECT_EQ(read_types[table], type.lake) << type.source << ", " << table << "; " << mirrored_.state(table);
            EXPECT_EQ(read[table + " 0"], "NULL") << type.source << ", " << table;
            for (std::size_t k = 0; k < type.values.size(); ++k) {
                EXPECT_EQ(read[fmt::format("{} {}", table, k + 1)], type.values[k].read)
                    << type.source << " " << type.values[k].literal << ", " << way;
            }
        }
    }
}

TEST_F(MirrorTypes, HoldLongValues) {
    run("CREATE TABLE copied (id int PRIMARY KEY, t text, b bytea, j jsonb, a int[]); CREATE TABLE logged (LIKE copied "
        "INCLUDING ALL)");
    const std::string values =
        " VALUES (1, repeat('😀x', 500000), decode(repeat('00ff', 500000), 'hex'), to_jsonb(repeat('\"', 500000)), "
        "ARRAY(SELECT generate_series(1, 100000)))";
    run("INSERT INTO copied" + values);
    mirrored_.init();
    mirrored_.sync();
    run("INSERT INTO logged" + values);
    mirrored_.sync();
    EXPECT_EQ(mirrored_.verify(), "");
    for (const auto* table : {"copied", "logged"}) {
        EXPECT_EQ(mirrored_.differences(table), "") << table;
        EXPECT_THAT(mirrored_.peek(fmt::format("SELECT length(t), octet_length(b), len(a) FROM lake.public.{}", table)),
                    ElementsAre(Row{"1000000", "1000000", "100000"}));
    }
}

// --- what does not fit -----------------------------------------------------------------------------------------------------

struct Unfit {
    std::string name;
    std::string type;
    std::string good;
    std::string bad;
    std::string heal;  // so that the column takes it
    friend std::ostream& operator<<(std::ostream& out, const Unfit& unfit) { return out << unfit.name; }
};

class UnfitValue : public testing::TestWithParam<Unfit> {};

INSTANTIATE_TEST_SUITE_P(
    Of, UnfitValue,
    testing::Values(
        Unfit{"NumericNaN", "numeric(10,2)", "1.5", "'NaN'", "ALTER TABLE t ALTER v TYPE text"},
        Unfit{"NumericBeyondDouble", "numeric", "1.5", "1e309", "ALTER TABLE t ALTER v TYPE text"},
        Unfit{"LateTimestamp", "timestamp", "'2026-03-01'", "'294276-12-31'", "ALTER TABLE t ALTER v TYPE text"},
        Unfit{"ArrayOfOtherDimensions", "int[]", "'{1}'", "'{{1,2}}'",
              "ALTER TABLE t ALTER v TYPE int[][]; DELETE FROM t WHERE id < 40; ALTER TABLE t ALTER v TYPE text"}),
    [](const auto& test) { return test.param.name; });

TEST_P(UnfitValue, ThatIsCapturedSetsItsTableAsideUntilTheColumnTakesIt) {
    const Unfit& unfit = GetParam();
    Mirrored mirrored;
    mirrored.run(
        fmt::format("CREATE TABLE t (id int PRIMARY KEY, v {0}); CREATE TABLE other (id int PRIMARY KEY)", unfit.type));
    mirrored.init();
    mirrored.run(fmt::format("INSERT INTO t VALUES (1, {0}), (2, {0})", unfit.good));
    mirrored.sync();
    mirrored.run(
        fmt::format("INSERT INTO t VALUES (41, {}), (42, {}); INSERT INTO other VALUES (1)", unfit.good, unfit.bad));
    mirrored.sync();
    EXPECT_THAT(mirrored.state("t"), AllOf(StartsWith("quarantined: "), HasSubstr("column v "), HasSubstr("id is 42")));
    EXPECT_EQ(mirrored.differences("other"), "");
    EXPECT_THAT(mirrored.peek("SELECT count(*) FROM cdc WHERE table_name = 't'"), ElementsAre(Row{"4"}));
    mirrored.run(fmt::format("UPDATE t SET v = {}; INSERT INTO other VALUES (2)", unfit.good));
    mirrored.sync();
    EXPECT_THAT(mirrored.state("t"), StartsWith("quarantined: "));
    EXPECT_EQ(mirrored.differences("other"), "");
    // The value is gone: the next copy fits.
    mirrored.stop();
    mirrored.pipeline.must({"resync", "public.t"});
    EXPECT_EQ(mirrored.state("t"), "mirrored");
    EXPECT_EQ(mirrored.differences("t") + mirrored.verify(), "");
    mirrored.run(fmt::format("UPDATE t SET v = {} WHERE id = 2", unfit.bad));
    mirrored.sync();
    EXPECT_THAT(mirrored.state("t"), StartsWith("quarantined: "));
    mirrored.run(unfit.heal);
    mirrored.sync();
    EXPECT_EQ(mirrored.state("t"), "mirrored");
    EXPECT_EQ(mirrored.differences("t") + mirrored.verify(), "");
}

TEST_F(MirrorTypes, SetATableAsideWhoseRowDoesNotFitWhenTheSourceIsAskedForIt) {
    run("CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE t (id int PRIMARY KEY, v numeric(10,2), n int "
        "DEFAULT 0);"
        "CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET n = n + 1 WHERE id = new.id; "
        "RETURN NULL; END $$;"
        "CREATE TRIGGER bump AFTER INSERT OR UPDATE OF v ON t FOR EACH ROW EXECUTE FUNCTION bump()");
    mirrored_.init();
    mirrored_.sync();
    run("INSERT INTO a VALUES (1, 1); INSERT INTO t VALUES (1, 'NaN')");
    mirrored_.sync();
    EXPECT_THAT(mirrored_.state("t"), AllOf(StartsWith("quarantined: "), HasSubstr("column v ")));
    EXPECT_EQ(mirrored_.differences("a"), "");
    run("UPDATE a SET v = 2; UPDATE t SET v = 1");
    mirrored_.sync();
    EXPECT_EQ(mirrored_.differences("a"), "");
    mirrored_.stop();
    mirrored_.pipeline.must({"resync", "public.t"});
    EXPECT_EQ(mirrored_.differences("t") + mirrored_.verify(), "");
}

TEST_P(UnfitValue, ThatIsCopiedSetsItsTableAsideUntilTheColumnTakesIt) {
    const Unfit& unfit = GetParam();
    Mirrored mirrored;
    mirrored.run(
        fmt::format("CREATE TABLE t (id int PRIMARY KEY, v {0}); CREATE TABLE other (id int PRIMARY KEY); INSERT INTO "
                    "other VALUES (1);"
                    "INSERT INTO t VALUES (1, {1}), (42, {2})",
                    unfit.type, unfit.good, unfit.bad));
    mirrored.init();
    mirrored.sync();
    EXPECT_THAT(mirrored.state("t"), AllOf(StartsWith("quarantined: "), HasSubstr("column v ")));
    EXPECT_EQ(mirrored.differences("other"), "");
    mirrored.run("INSERT INTO other VALUES (2)");
    EXPECT_EQ(mirrored.sync(), 1);
    EXPECT_EQ(mirrored.differences("other"), "");
    mirrored.stop();
    // Still there: tried again, set aside again, and said.
    const Finished again = mirrored.pipeline.eider({"resync", "public.t"});
    EXPECT_EQ(again.exit_code, 30) << again.out << again.err;
    EXPECT_THAT(again.err, HasSubstr("public.t is quarantined: "));
    EXPECT_THAT(mirrored.state("t"), StartsWith("quarantined: "));
    mirrored.run(unfit.heal);
    mirrored.sync();
    EXPECT_EQ(mirrored.state("t"), "mirrored");
    EXPECT_EQ(mirrored.differences("t") + mirrored.verify(), "");
}

}  // namespace
}  // namespace eider::test
