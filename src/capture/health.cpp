#include "capture/health.h"

#include <nlohmann/json.hpp>

#include "capture_sql.h"

namespace eider::capture {
namespace {

std::vector<std::string> list_of(const postgres::Result& rows, int row, int column) {
    if (rows.is_null(row, column)) return {};
    return nlohmann::json::parse(rows.text(row, column)).get<std::vector<std::string>>();
}

}  // namespace

std::vector<TableHealth> table_health(postgres::Connection& connection, const std::string& cursor) {
    const auto rows = connection.query(std::string(sql::table_health), {cursor});
    std::vector<TableHealth> tables;
    for (int row = 0; row < rows.rows(); ++row) {
        tables.push_back({.schema = rows.string(row, 0),
                          .name = rows.string(row, 1),
                          .kind = rows.string(row, 2),
                          .pending = rows.integer(row, 3),
                          .lag_s = rows.is_null(row, 4) ? std::nullopt : std::optional(rows.number(row, 4)),
                          .problems = list_of(rows, row, 5),
                          .left_out = list_of(rows, row, 6)});
    }
    return tables;
}

std::vector<SlotHealth> slot_health(postgres::Connection& connection) {
    const auto rows = connection.query(std::string(sql::slot_health));
    std::vector<SlotHealth> slots;
    for (int row = 0; row < rows.rows(); ++row) {
        slots.push_back({.slot = static_cast<int>(rows.integer(row, 0)),
                         .rows = rows.integer(row, 1),
                         .bytes = rows.integer(row, 2),
                         .state = rows.string(row, 3)});
    }
    return slots;
}

std::vector<OldTransaction> old_transactions(postgres::Connection& connection, double age_s) {
    const auto rows = connection.query(std::string(sql::old_transactions), {std::to_string(age_s)});
    std::vector<OldTransaction> transactions;
    for (int row = 0; row < rows.rows(); ++row)
        transactions.push_back({.who = rows.string(row, 0), .age_s = rows.number(row, 1)});
    return transactions;
}

}  // namespace eider::capture
