// A random application: tables of random shapes, several sessions that change them in transactions which overlap, and
// changes of the schema in between. One thread: a seed decides everything, so that it can be run again.
//
// Threads: one at a time.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "support/mirrors.h"

namespace eider::test {

class RandomWorld {
public:
    explicit RandomWorld(unsigned seed);

    // Some statements of several sessions, a sync at a random moment, and what is wrong with the mirrors after it; "" when
    // all equal their source.
    std::string round();

    // What was done so far, the last statements last.
    const std::vector<std::string>& history() const { return history_; }

private:
    struct Column {
        std::string name;
        std::string type;
        bool operator==(const Column&) const = default;
    };

    struct Table {
        std::string name;  // in schema w, which is on the search path
        std::string key_type;
        std::string key = "id";
        std::vector<Column> columns;
        bool is_partitioned = false;
        bool is_deferrable = false;
        bool has_trigger = false;
        bool has_parent = false;
        bool log_is_whole = true;  // the log alone tells its rows: its shape never changed
    };

    struct Session {
        Client client;
        bool is_open = false;
        int savepoints = 0;
    };

    int below(int n) { return std::uniform_int_distribution(0, n - 1)(random_); }
    bool one_in(int n) { return below(n) == 0; }

    void create_table();
    Column random_column();
    std::string key_literal(const Table& table, int n);
    std::string value_literal(const std::string& type);
    std::string random_key(const Table& table) { return key_literal(table, below(12)); }
    std::string columns_and_values(const Table& table, const std::string& key);
    std::string statement(Table& table);
    void work();
    void change_schema();
    bool tell(Session& session, const std::string& sql);
    void end(Session& session);
    void end_all();
    void keep_house();
    std::string sync_and_compare();

    std::mt19937 random_;
    Mirrored mirrored_;
    std::vector<Session> sessions_;
    std::vector<Table> tables_;
    std::vector<std::string> history_;
    int tables_made_ = 0;
    int names_made_ = 0;
};

// A world of so many rounds; fails the test, with the seed and what was done, at the first that is wrong.
void run_random_world(unsigned seed, int rounds);

}  // namespace eider::test
