#include "support/workload.h"

#include <chrono>
#include <map>
#include <random>
#include <stdexcept>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/wait.h"

namespace eider::test {
namespace {

constexpr int ids = 60;

// An application thinks, too: so the load leaves the machine to the eiders.
constexpr std::chrono::milliseconds thinking_time{4};

std::string noted(char op, const std::string& change) {
    return fmt::format(
        "WITH changed AS ({} RETURNING id, token) INSERT INTO shop.plain (op, id, token) SELECT '{}', id, token FROM "
        "changed",
        change, op);
}

std::string statement(std::mt19937& random, long long token) {
    const int id = std::uniform_int_distribution(1, ids)(random);
    switch (std::uniform_int_distribution(0, 5)(random)) {
        case 0:
        case 1:
            return noted('I', fmt::format("INSERT INTO shop.item VALUES ({}, {}) ON CONFLICT DO NOTHING", id, token));
        case 2: return noted('D', fmt::format("DELETE FROM shop.item WHERE id = {}", id));
        case 3:
            return noted('U',
                         fmt::format("UPDATE shop.item SET token = {} WHERE id BETWEEN {} AND {}", token, id, id + 10));
        default: return noted('U', fmt::format("UPDATE shop.item SET token = {} WHERE id = {}", token, id));
    }
}

}  // namespace

void Workload::create_tables(Client& client) {
    client.run(
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, token bigint);"
        "CREATE TABLE shop.plain (n bigserial, op text, id int, token bigint)");
}

Workload::Workload(const Database& database, int clients, unsigned seed)
    : tokens_(Client(database.uri).number("SELECT coalesce(max(token), 0) FROM shop.plain")) {
    for (int i = 0; i < clients; ++i) {
        clients_.emplace_back([this, uri = database.uri, own = seed * 100 + static_cast<unsigned>(i)](
                                  const std::stop_token& stop) { work(stop, uri, own); });
    }
}

Workload::~Workload() {
    stop();
}

void Workload::stop() {
    for (auto& client : clients_) client.request_stop();
    clients_.clear();
}

void Workload::wait_for(int commits) {
    const int until = commits_ + commits;
    EXPECT_TRUE(wait_until([&] { return commits_ >= until; })) << "the workload stands still";
}

void Workload::work(const std::stop_token& stop, const std::string& uri, unsigned seed) {
    std::mt19937 random(seed);
    Client client(uri);
    while (!stop.stop_requested()) {
        try {
            const int statements = std::uniform_int_distribution(1, 3)(random);
            client.run("BEGIN");
            for (int i = 0; i < statements; ++i) client.run(statement(random, ++tokens_));
            const bool keeps = std::uniform_int_distribution(0, 9)(random) > 0;
            client.run(keeps ? "COMMIT" : "ROLLBACK");
            if (keeps) ++commits_;
            std::this_thread::sleep_for(thinking_time);
        } catch (const std::runtime_error&) {
            client.run("ROLLBACK");  // a deadlock among the clients
        }
    }
}

LakeUnderLoad::LakeUnderLoad(CatalogKind catalog) : pipeline(catalog) {
    pipeline.environment["EIDER_TABLES"] = "shop.item";
    pipeline.environment["EIDER_MIRROR"] = "true";
    Workload::create_tables(pipeline.application);
    pipeline.init();
    workload = std::make_unique<Workload>(pipeline.source, 2);
}

std::string LakeUnderLoad::differences_at_rest(const Variables& variables) {
    workload.reset();
    pipeline.must({"sync", "--until-empty"}, variables);
    std::string wrong = differences(pipeline);
    pipeline.must({"verify"});
    workload = std::make_unique<Workload>(pipeline.source, 2, ++seed_);
    return wrong;
}

std::string name_of(CatalogKind catalog) {
    if (catalog == CatalogKind::duckdb) return "DuckDb";
    return catalog == CatalogKind::sqlite ? "Sqlite" : "Postgres";
}

long long last_noted(const Pipeline& pipeline) {
    return Client(pipeline.source.uri).number("SELECT coalesce(max(n), 0) FROM shop.plain");
}

std::string differences(const Pipeline& pipeline, long long from) {
    std::map<std::string, int> there;
    for (const auto& row : pipeline.peek("SELECT cdc_op || ' ' || (data->>'id') || ' ' || (data->>'token') FROM cdc"))
        ++there[row.at(0)];
    std::string out;
    int wrong = 0;
    const auto tell = [&](const std::string& change, const std::string& what) {
        if (++wrong <= 10) out += fmt::format("{} {}\n", change, what);
    };
    for (const auto& row :
         Client(pipeline.source.uri).run("SELECT op || ' ' || id || ' ' || token, n FROM shop.plain ORDER BY n")) {
        const std::string change = row[0].value_or("");
        const auto found = there.find(change);
        if (found == there.end()) {
            if (std::stoll(row[1].value_or("0")) > from) tell(change, "is missing");
        } else {
            if (found->second != 1) tell(change, fmt::format("is there {} times", found->second));
            there.erase(found);
        }
    }
    for (const auto& [change, times] : there) tell(change, "was never committed");
    return wrong > 10 ? out + fmt::format("and {} more\n", wrong - 10) : out;
}

}  // namespace eider::test
