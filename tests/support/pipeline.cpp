#include "support/pipeline.h"

#include <stdexcept>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace eider::test {
namespace {

// The password of a URI made by dev::Address.
std::string password_of(const std::string& uri) {
    const auto at = uri.find('@');
    const auto colon = uri.rfind(':', at);
    return at == std::string::npos ? "" : uri.substr(colon + 1, at - colon - 1);
}

constexpr const char* stranger = R"(
import duckdb, json, os, sys
attach, sql, extensions = sys.argv[1:]
lake = duckdb.connect(config={"extension_directory": extensions, "autoinstall_known_extensions": False})
lake.execute("SET TimeZone = 'UTC'")
lake.execute(attach)
lake.execute(sql)
print(json.dumps([["NULL" if cell is None else str(cell) for cell in row] for row in lake.fetchall()]))
)";

}  // namespace

Pipeline::Pipeline(CatalogKind catalog) : Pipeline(catalog, fresh_database()) {}

Pipeline::Pipeline(CatalogKind catalog, const Database& database) : source(database), application(database.uri) {
    environment["EIDER_MIRROR"] = "false";  // mirrors have tests of their own, most others count events and batches
    lake_ = {.catalog = lake::CatalogKind::postgres, .location = source.uri, .catalog_schema = "eider_lake"};
    if (catalog == CatalogKind::duckdb) {
        lake_ = {.catalog = lake::CatalogKind::duckdb, .location = folder / "catalog.ducklake"};
        environment["EIDER_CATALOG"] = lake_.location;
    } else if (catalog == CatalogKind::sqlite) {
        lake_ = {.catalog = lake::CatalogKind::sqlite, .location = folder / "catalog.sqlite"};
        environment["EIDER_CATALOG"] = "sqlite:" + lake_.location;
    }
}

std::vector<Pipeline::Row> Pipeline::peek(const std::string& sql) const {
    lake::DuckLake lake(lake_, lake::Access::read);
    std::vector<Row> rows;
    for (const auto& row : lake.session().query(fmt::format("SELECT COLUMNS(*)::VARCHAR FROM ({})", sql)).rows) {
        auto& cells = rows.emplace_back();
        for (const auto& cell : row) cells.push_back(cell.value_or("NULL"));
    }
    return rows;
}

Process Pipeline::start(const std::vector<std::string>& args, const Variables& more) const {
    Variables all = environment;
    for (const auto& [name, value] : more) all[name] = value;
    return start_eider(args, all, folder.path());
}

Finished Pipeline::eider(const std::vector<std::string>& args, const Variables& more) const {
    return start(args, more).wait();
}

std::string Pipeline::must(const std::vector<std::string>& args, const Variables& more) const {
    const Finished finished = eider(args, more);
    EXPECT_EQ(finished.exit_code, 0) << "eider " << args.at(0) << " said:\n" << finished.out << finished.err;
    return finished.out;
}

void Pipeline::init() const {
    must({"init", source.uri});
}

std::vector<Pipeline::Row> Pipeline::lake(const std::string& sql) const {
    return ask_as_stranger(must({"attach"}), sql, password_of(source.uri));
}

std::string Pipeline::lake_value(const std::string& sql) const {
    const auto rows = lake(sql);
    return rows.empty() ? "(no row)" : rows.at(0).at(0);
}

long long Pipeline::lake_number(const std::string& sql) const {
    return std::stoll(lake_value(sql));
}

std::vector<Pipeline::Row> ask_as_stranger(const std::string& attach_sql, const std::string& sql,
                                           const std::string& password) {
    const std::string extensions = lake::extension_directory({});
    const Finished answer = python(stranger, {attach_sql, sql, extensions}, {{"PGPASSWORD", password}});
    if (answer.exit_code != 0) throw std::runtime_error("the stranger cannot read the lake:\n" + answer.err);
    return nlohmann::json::parse(answer.out).get<std::vector<Pipeline::Row>>();
}

}  // namespace eider::test
