// A source database, a lake and the eider between them, in a folder of their own.
//
//   Pipeline pipeline(CatalogKind::sqlite);
//   pipeline.application.run("CREATE TABLE orders (id int PRIMARY KEY)");
//   pipeline.must({"init", pipeline.source.uri});
//   pipeline.must({"sync"});
//   pipeline.lake("SELECT data FROM cdc ORDER BY seq");
//
// Threads: one at a time.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "lake/ducklake.h"
#include "support/process.h"
#include "support/server.h"
#include "support/temp_folder.h"

namespace eider::test {

class Pipeline {
public:
    using Row = std::vector<std::string>;  // NULL is "NULL"

    // A fresh database on the shared server, or on `server`. Nothing is installed.
    explicit Pipeline(CatalogKind catalog = CatalogKind::source);
    Pipeline(CatalogKind catalog, const Database& database);

    // Runs eider in the folder, with `environment` and `more`; its configuration is eider.toml there.
    Finished eider(const std::vector<std::string>& args, const Variables& more = {}) const;
    Process start(const std::vector<std::string>& args, const Variables& more = {}) const;

    // The same, and a failure of the test, with all that was said, when the exit code is not 0. Returns stdout.
    std::string must(const std::vector<std::string>& args, const Variables& more = {}) const;

    // `init SOURCE`, with must.
    void init() const;

    // What a stranger sees: a query by the DuckDB from PyPI, which attaches the lake by what `eider attach` prints.
    std::vector<Row> lake(const std::string& sql) const;
    std::string lake_value(const std::string& sql) const;
    long long lake_number(const std::string& sql) const;

    // The same by eider's own DuckDB, inside this process: quicker, for checks that are made often.
    std::vector<Row> peek(const std::string& sql) const;

    Database source;
    Client application;
    TempFolder folder;
    Variables environment;  // of every eider that is run here

private:
    lake::LakeOptions lake_;
};

// Asks the lakes that `attach_sql`, the output of `eider attach`, opens.
std::vector<Pipeline::Row> ask_as_stranger(const std::string& attach_sql, const std::string& sql,
                                           const std::string& password);

}  // namespace eider::test
