// What `status` and `doctor` know of the source.
//
// Guarantees: reads only; takes no lock that a writer could wait for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.h"

namespace eider::capture {

struct TableHealth {
    std::string schema;
    std::string name;
    std::string kind;                   // statement, row: what kind of trigger
    std::int64_t pending = 0;           // changes that the consumer has not confirmed
    std::optional<double> lag_s;        // age of the oldest of them
    std::vector<std::string> problems;  // "trigger eider_update is disabled"
    std::vector<std::string> left_out;  // columns that a list of columns does not have
};

struct SlotHealth {
    int slot = 0;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    std::string state;  // active, empty, or why it is not released
};

struct OldTransaction {
    std::string who;  // "pid 123, user app, application psql" or "prepared transaction x"
    double age_s = 0;
};

// `cursor`: what the lake has. Counts by reading the slots.
std::vector<TableHealth> table_health(postgres::Connection& connection, const std::string& cursor);
std::vector<SlotHealth> slot_health(postgres::Connection& connection);

// Transactions older than `age_s`, oldest first.
std::vector<OldTransaction> old_transactions(postgres::Connection& connection, double age_s);

}  // namespace eider::capture
