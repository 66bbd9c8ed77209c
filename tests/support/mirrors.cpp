#include "support/mirrors.h"

#include <cstdlib>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/wiring.h"

namespace eider::test {
namespace {

// What differs between two bags of rows, in words; the first few.
class Bags {
public:
    void add_to_source(const std::string& row) { ++rows_[row]; }
    void add_to_copy(const std::string& row) { --rows_[row]; }

    std::string differences(const std::string& table, const std::string& copy) const {
        std::string out;
        int wrong = 0;
        for (const auto& [row, surplus] : rows_) {
            if (surplus == 0 || ++wrong > 8) continue;
            out += fmt::format("{}: {} {} times more: {}\n", table, surplus > 0 ? "the source has" : copy + " has",
                               std::abs(surplus), row);
        }
        return wrong > 8 ? out + fmt::format("{}: and {} rows more\n", table, wrong - 8) : out;
    }

private:
    std::map<std::string, int> rows_;
};

bool is_number(const std::string& text) {
    char* end = nullptr;
    std::strtod(text.c_str(), &end);
    return !text.empty() && *end == '\0';
}

// How PostgreSQL and DuckDB are asked for a column so that both write the same.
std::pair<std::string, std::string> as_text(const std::string& column, const std::string& lake_type) {
    const std::string name = quote_ident(column);
    if (lake_type.ends_with("[]")) return {"array_to_json(" + name + ")::text", "to_json(" + name + ")::VARCHAR"};
    if (lake_type == "BLOB") return {"encode(" + name + ", 'hex')", "lower(hex(" + name + "))"};
    return {name + "::text", name + "::VARCHAR"};
}

// Both write floating point with all digits, but not the same way.
std::string plain_number(const std::string& text) {
    return is_number(text) ? fmt::format("{}", std::strtod(text.c_str(), nullptr)) : text;
}

struct TableName {
    std::string schema;
    std::string table;
    bool is_partitioned = false;
};

TableName name_of_table(Client& client, const std::string& table) {
    const auto row = client
                         .run(fmt::format("SELECT n.nspname, c.relname, c.relkind = 'p' FROM pg_class AS c JOIN "
                                          "pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = {}::regclass",
                                          quote_literal(table)))
                         .at(0);
    return {*row[0], *row[1], *row[2] == "t"};
}

}  // namespace

// --- RunningEider ----------------------------------------------------------------------------------------------------

RunningEider::RunningEider(const Pipeline& pipeline)
    : config(load_config(pipeline.folder / "eider.toml", true, pipeline.environment, {})),
      source(cli::source_options(config)),
      lake(cli::lake_options(config), lake::Access::write),
      mirrors(source, lake, config),
      tables_(config),
      consumer_(source, lake, config.consumer, &mirrors) {}

std::optional<sync::BatchReport> RunningEider::batch() {
    consumer_.begin();
    for (const auto& problem : tables_.look(source.connection()).unattached)
        ADD_FAILURE() << "not captured: " << problem;
    return consumer_.batch();
}

std::string RunningEider::verify() {
    std::string out;
    for (const auto& found : consumer_.verify({})) {
        if (found.is_equal()) continue;
        out += fmt::format("verify: {}: {}, {} missing, {} surplus; {}\n", found.table, found.reason, found.missing,
                           found.surplus, join(found.keys, ", "));
    }
    return out;
}

// --- Mirrored --------------------------------------------------------------------------------------------------------

Mirrored::Mirrored(CatalogKind catalog) : pipeline(catalog), reader_(pipeline.source.uri), catalog_(catalog) {
    pipeline.environment["EIDER_MIRROR"] = "true";
    reader_.run("SET TimeZone = 'UTC'; SET extra_float_digits = 3");
}

RunningEider& Mirrored::eider() {
    if (eider_ == nullptr) eider_ = std::make_unique<RunningEider>(pipeline);
    return *eider_;
}

int Mirrored::sync() {
    int batches = 0;
    while (eider().batch()) ++batches;
    return batches;
}

std::vector<Pipeline::Row> Mirrored::peek(const std::string& sql) {
    if (catalog_ != CatalogKind::source) {
        stop();
        return pipeline.peek(sql);
    }
    if (lake_reader_ == nullptr)
        lake_reader_ = std::make_unique<lake::DuckLake>(cli::lake_options(eider().config), lake::Access::read);
    std::vector<Pipeline::Row> rows;
    for (const auto& row :
         lake_reader_->session().query(fmt::format("SELECT COLUMNS(*)::VARCHAR FROM ({})", sql)).rows) {
        auto& cells = rows.emplace_back();
        for (const auto& cell : row) cells.push_back(cell.value_or("NULL"));
    }
    return rows;
}

std::string Mirrored::differences(const std::string& table) {
    const TableName name = name_of_table(reader_, table);
    const std::string mirror = fmt::format("lake.{}.{}", quote_ident(name.schema), quote_ident(name.table));
    std::map<std::string, std::string> lake_types;
    std::string lake_columns;
    for (const auto& column : peek("SELECT column_name, column_type FROM (DESCRIBE " + mirror + ")")) {
        lake_types[column.at(0)] = column.at(1);
        lake_columns += column.at(0) + ", ";
    }
    std::string source_columns;
    std::vector<std::string> asked_source;
    std::vector<std::string> asked_lake;
    std::vector<bool> is_float;
    for (const auto& column :
         reader_.run(fmt::format("SELECT attname FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 "
                                 "AND NOT attisdropped ORDER BY attnum",
                                 quote_literal(table)))) {
        source_columns += *column[0] + ", ";
        const std::string type = lake_types[*column[0]];
        const auto [in_source, in_lake] = as_text(*column[0], type);
        asked_source.push_back(in_source);
        asked_lake.push_back(in_lake);
        is_float.push_back(type == "DOUBLE" || type == "FLOAT");
    }
    if (source_columns != lake_columns)
        return fmt::format("{} has the columns {}, its mirror {}\n", table, source_columns, lake_columns);

    const auto line = [&](const auto& cells, const auto& text) {
        std::string out;
        for (std::size_t i = 0; i < cells.size(); ++i)
            out += (is_float[i] ? plain_number(text(cells[i])) : text(cells[i])) + " | ";
        return out;
    };
    Bags bags;
    for (const auto& row : reader_.run(
             fmt::format("SELECT {} FROM {} {}", join(asked_source, ", "), name.is_partitioned ? "" : "ONLY", table)))
        bags.add_to_source(line(row, [](const auto& cell) { return cell.value_or("NULL"); }));
    for (const auto& row : peek(fmt::format("SELECT {} FROM {}", join(asked_lake, ", "), mirror)))
        bags.add_to_copy(line(row, [](const auto& cell) { return cell; }));
    return bags.differences(table, "the mirror");
}

std::string Mirrored::replay_differences(const std::string& table, const std::vector<std::string>& key) {
    const TableName name = name_of_table(reader_, table);
    std::vector<std::string> parts;
    for (const auto& column : key) parts.push_back(fmt::format("data->>{}", quote_literal(column)));
    std::map<std::string, std::string> replayed;
    for (const auto& event :
         peek(fmt::format("SELECT cdc_op, to_json([{}]), data FROM cdc WHERE table_schema = {} AND table_name = {} "
                          "ORDER BY batch, seq",
                          join(parts, ", "), quote_literal(name.schema), quote_literal(name.table)))) {
        if (event.at(0) == "T") {
            replayed.clear();
        } else if (event.at(0) == "D") {
            replayed.erase(event.at(1));
        } else if (event.at(0) == "I" || event.at(0) == "U" || event.at(0) == "R") {
            replayed[event.at(1)] = event.at(2);
        }
    }
    Bags bags;
    for (const auto& row :
         reader_.run(fmt::format("SELECT row_to_json(t.*) FROM {} {} AS t", name.is_partitioned ? "" : "ONLY", table)))
        bags.add_to_source(*row[0]);
    for (const auto& [_, data] : replayed) bags.add_to_copy(data);
    return bags.differences(table, "the log");
}

std::string Mirrored::differences_after_sync(const std::vector<std::string>& tables) {
    sync();
    std::string out = verify();
    for (const auto& table : tables) out += differences(table) + replay_differences(table);
    return out;
}

std::string Mirrored::state(const std::string& table) {
    const TableName name = name_of_table(reader_, table);
    const auto states = eider().mirrors.states();
    const auto found = states.find({name.schema, name.table});
    if (found == states.end()) return "unknown";
    return found->second.state + (found->second.reason.empty() ? "" : ": " + found->second.reason);
}

}  // namespace eider::test
