// Mirrors in tests: an eider inside the test's process, and a comparison of mirrors with their source that shares no
// code with `eider verify`.
//
//   Mirrored mirrored;
//   mirrored.run("CREATE TABLE t (id int PRIMARY KEY)");
//   mirrored.init();
//   mirrored.run("INSERT INTO t VALUES (1)");
//   mirrored.sync();                          // all that waits
//   EXPECT_EQ(mirrored.differences("t"), "");
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/postgres_source.h"
#include "capture/tables.h"
#include "config/config.h"
#include "lake/ducklake.h"
#include "mirror/mirrors.h"
#include "support/pipeline.h"
#include "sync/batch.h"

namespace eider::test {

// One running eider: what `eider sync` does, without a process. With a DuckDB file as its catalog nobody else can open
// the lake meanwhile.
class RunningEider {
public:
    explicit RunningEider(const Pipeline& pipeline);

    // Attaches new tables, and moves one batch; nullopt: there was nothing to move.
    std::optional<sync::BatchReport> batch();

    // The same without attaching: as if the tables had changed just after.
    std::optional<sync::BatchReport> batch_without_a_look() { return consumer_.batch(); }

    // What `eider verify` compares. Labels of tables that are not equal, with what was found; "" when all are.
    std::string verify();

    Config config;
    capture::PostgresSource source;
    lake::DuckLake lake;
    mirror::Mirrors mirrors;

private:
    capture::TableWatch tables_;
    sync::Consumer consumer_;
};

class Mirrored {
public:
    explicit Mirrored(CatalogKind catalog = CatalogKind::source);

    void init() { pipeline.init(); }
    std::vector<Client::Row> run(const std::string& sql) { return pipeline.application.run(sql); }

    // Moves all that waits. The number of batches.
    int sync();

    // The eider that sync() works with, started when first asked for. stop() ends it: the next one knows only what the
    // lake knows.
    RunningEider& eider();
    void stop() { eider_.reset(); }

    // What `eider verify` finds to be different, by the eider above; "" when all mirrors are right.
    std::string verify() { return eider().verify(); }

    // How the mirror of a table ("t", "shop.t"; quoted where need be) differs from it: columns and rows as text, each
    // row as often as it occurs. "" when they are equal.
    std::string differences(const std::string& table);

    // The same of what the log alone says: of each key the last event, nothing from before a truncate. For tables that
    // were captured from their first row on and kept their shape and names. `key`: columns, unquoted.
    std::string replay_differences(const std::string& table, const std::vector<std::string>& key = {"id"});

    // sync(), and what all three comparisons say of these tables.
    std::string differences_after_sync(const std::vector<std::string>& tables);

    // state and reason of a mirror: "mirrored", "none: it has neither ...".
    std::string state(const std::string& table);

    // A query in the lake by a DuckDB that is not the running eider's.
    std::vector<Pipeline::Row> peek(const std::string& sql);

    Pipeline pipeline;

private:
    Client reader_;
    CatalogKind catalog_;
    std::unique_ptr<lake::DuckLake> lake_reader_;  // kept open, where the catalog lets several in
    std::unique_ptr<RunningEider> eider_;
};

}  // namespace eider::test
