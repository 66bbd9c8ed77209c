#include "mirror/mirrors.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/text.h"
#include "mirror_sql.h"
#include "postgres/copy_reader.h"

namespace eider::mirror {
namespace {

using lake::Rows;
using postgres::Connection;

// Below this a second connection costs more than it brings.
constexpr std::int64_t bytes_for_two_streams = 16 << 20;

// Tables that wait for their first copy come in batches of about this size: one that is interrupted loses no more.
constexpr std::int64_t copied_bytes_per_batch = 256 << 20;

// From this many events on all cores apply a batch.
constexpr std::int64_t events_for_all_threads = 50'000;

// Keys in doubt that one statement asks the source for.
constexpr std::size_t keys_per_question = 5'000;

class TableStream : public lake::RowStream {
public:
    TableStream(Connection& connection, const std::string& select)
        : reader_(connection.copy_out(fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", select))) {}
    const std::vector<std::optional<std::string_view>>* next() override { return reader_->next(); }

private:
    std::unique_ptr<postgres::CopyReader> reader_;
};

struct Correction {
    Event event;
    std::string data;
};

class CorrectionStream : public EventStream {
public:
    explicit CorrectionStream(std::vector<Correction> corrections) : corrections_(std::move(corrections)) {}

    const Event* next() override {
        if (at_ == corrections_.size()) return nullptr;
        Correction& correction = corrections_[at_++];
        correction.event.data = correction.data;
        return &correction.event;
    }

private:
    std::vector<Correction> corrections_;
    std::size_t at_ = 0;
};

std::string mirror_name(const Shape& shape) {
    return fmt::format("lake.{}.{}", quote_ident(shape.schema), quote_ident(shape.name));
}

std::string column_list(const Shape& shape) {
    std::vector<std::string> columns;
    for (const auto& column : shape.columns)
        columns.push_back(fmt::format("{} {}", quote_ident(column.name), column.type.sql()));
    return join(columns, ", ");
}

// "c0, c3", each with `prefix`, of the places given.
std::string cells(const std::vector<std::size_t>& places, std::string_view prefix = {}) {
    std::vector<std::string> names;
    for (const auto place : places) names.push_back(fmt::format("{}c{}", prefix, place));
    return join(names, ", ");
}

std::vector<std::size_t> all_places(const Shape& shape) {
    std::vector<std::size_t> places(shape.columns.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
    return places;
}

std::string same_key(const Shape& shape, std::string_view left, std::string_view right) {
    std::vector<std::string> conditions;
    for (const auto place : shape.key())
        conditions.push_back(fmt::format("{}.c{} = {}.c{}", left, place, right, place));
    return join(conditions, " AND ");
}

// DuckDB prunes a join on floating point by bounds that DuckLake keeps rounded, and misses rows; not so one on a sum.
std::string mirror_is_net(const Shape& shape) {
    std::vector<std::string> conditions;
    for (const auto place : shape.key()) {
        const auto kind = shape.columns[place].type.kind;
        const bool is_rounded = kind == lake::TypeKind::float32 || kind == lake::TypeKind::float64;
        conditions.push_back(fmt::format("mirror.{0}{2} = net.c{1}{2}", quote_ident(shape.columns[place].name), place,
                                         is_rounded ? " + 0" : ""));
    }
    return join(conditions, " AND ");
}

bool has_useful_range(lake::TypeKind kind) {
    using lake::TypeKind;
    static constexpr std::array kinds{TypeKind::int16, TypeKind::int32,     TypeKind::int64,      TypeKind::decimal,
                                      TypeKind::date,  TypeKind::timestamp, TypeKind::timestamptz};
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// The row as the log has it: the captured columns, as JSON.
std::string row_json(const Shape& shape) {
    std::vector<std::string> names;
    for (const auto& column : shape.columns) names.push_back("r." + quote_ident(column.name));
    return fmt::format("(SELECT row_to_json(x.*) FROM (SELECT {}) AS x)", join(names, ", "));
}

std::string name_of_key(const Shape& shape) {
    std::vector<std::string> names;
    for (const auto place : shape.key()) names.push_back(shape.columns[place].name);
    return join(names, ", ");
}

bool is_equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return std::tolower(x) == std::tolower(y); });
}

bool matches_any(const std::vector<TablePattern>& patterns, const Shape& shape) {
    return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
               return pattern.matches(shape.schema, shape.name);
           });
}

bool has_changed(const Shape& was, const Shape& is) {
    return was.schema != is.schema || was.name != is.name || was.storage != is.storage || !(was.columns == is.columns);
}

bool has_same_key(const Shape& was, const Shape& is) {
    const auto names = [](const Shape& shape) {
        std::vector<std::pair<std::string, std::string>> columns;
        for (const auto place : shape.key())
            columns.emplace_back(shape.columns[place].name, shape.columns[place].source_type);
        return columns;
    };
    return names(was) == names(is);
}

}  // namespace

Mirrors::Mirrors(capture::PostgresSource& source, lake::DuckLake& lake, const Config& config)
    : source_(source), lake_(lake), config_(config) {}

bool Mirrors::is_due() {
    if (!unfit_.empty() || !again_.empty() || has_more_) return true;
    const std::string now = source_.connection().query(std::string(sql::fingerprint)).string(0, 0);
    if (now == seen_) return false;
    load();
    const auto shapes = read_shapes(source_.connection());
    refresh(shapes);
    for (const auto& [rel, mirror] : *mirrors_) {
        if (mirror.state != "dropped" && !why_gone(rel, shapes).empty()) return true;
    }
    for (const auto& [rel, shape] : shapes) {
        if (!why_not(shape).empty()) continue;
        const auto known = mirrors_->find(rel);
        if (known == mirrors_->end() || known->second.state == "dropped" || has_changed(known->second.shape, shape))
            return true;
    }
    seen_ = now;
    return false;
}

void Mirrors::apply(std::int64_t batch) {
    batch_ = batch;
    copied_tables_ = copied_rows_ = 0;
    load();
    const std::string now = source_.connection().query(std::string(sql::fingerprint)).string(0, 0);
    const bool is_known = now == seen_ && !has_more_ && unfit_.empty() && again_.empty();
    std::map<std::uint32_t, Shape> shapes;
    if (!is_known) {
        shapes = read_shapes(source_.connection());
        refresh(shapes);
        drop_gone(shapes);
    }

    std::set<std::uint32_t> touched;
    std::int64_t events = 0;
    const Rows counts = lake_.session().query("SELECT rel, count(*) FROM temp.eider_batch GROUP BY rel ORDER BY rel");
    for (std::size_t row = 0; row < counts.rows.size(); ++row) {
        touched.insert(static_cast<std::uint32_t>(counts.integer(row, 0)));
        events += counts.integer(row, 1);
    }
    if (events >= events_for_all_threads) lake_.use_threads(std::max(1U, std::thread::hardware_concurrency()));

    // All old ones go before a new one comes: tables may have swapped their names.
    std::vector<const Shape*> to_copy;
    std::set<std::uint32_t> to_settle;
    for (const auto& [rel, shape] : shapes) {
        if (!why_not(shape).empty()) continue;
        const auto known = mirrors_->find(rel);
        const bool is_new = known == mirrors_->end() || known->second.state == "dropped";
        if (!is_new && !has_changed(known->second.shape, shape) && !again_.contains(rel)) continue;
        if (touched.erase(rel) > 0 && (is_new || has_same_key(known->second.shape, shape))) to_settle.insert(rel);
        to_copy.push_back(&shape);
        const bool stays = unfit_.contains(rel) && !is_new && mirror_name(known->second.shape) == mirror_name(shape);
        if (!is_new && !stays) drop(known->second);
    }
    has_more_ = false;
    std::int64_t copied_bytes = 0;
    for (const Shape* shape : to_copy) {
        const auto known = mirrors_->find(shape->rel);
        const bool is_new = known == mirrors_->end() || known->second.state == "dropped";
        if (const auto unfit = unfit_.find(shape->rel); unfit != unfit_.end()) {
            quarantine(*shape, unfit->second);
        } else if (is_new && copied_bytes >= copied_bytes_per_batch) {
            has_more_ = true;
        } else {
            copied_bytes += shape->bytes;
            copy(*shape);
            // The copy has no doubts, the log of this batch may.
            if (to_settle.contains(shape->rel)) find_changes(*shape);
        }
    }
    for (const auto rel : touched) {
        const auto known = mirrors_->find(rel);
        if (known == mirrors_->end() || known->second.state != "mirrored") continue;
        if (const auto unfit = unfit_.find(rel); unfit != unfit_.end()) {
            quarantine(known->second.shape, unfit->second);
        } else {
            apply_changes(known->second.shape);
        }
    }
    seen_ = now;
}

void Mirrors::committed() {
    unfit_.clear();
    again_.clear();
}

void Mirrors::rolled_back() {
    lake_.rows().forget_functions();
    mirrors_.reset();
    seen_.clear();
}

void Mirrors::load() {
    if (mirrors_) return;
    const Rows rows = lake_.session().query(fill(sql::read_tables, {{"consumer", quote_literal(config_.consumer)}}));
    std::map<std::uint32_t, Mirror> mirrors;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const auto rel = static_cast<std::uint32_t>(rows.integer(row, 0));
        Mirror& mirror = mirrors[rel];
        mirror.state = rows.text(row, 1);
        mirror.reason = rows.rows[row][5].value_or("");
        mirror.shape.rel = rel;
        mirror.shape.schema = rows.text(row, 2);
        mirror.shape.name = rows.text(row, 3);
        mirror.shape.storage = rows.text(row, 4);
        if (!rows.rows[row][6]) continue;
        const auto type = lake::parse_type(rows.text(row, 9));
        if (!type)
            throw Error(ErrorKind::corrupt,
                        fmt::format("eider.columns holds the type '{}', which eider does not know", rows.text(row, 9)));
        mirror.shape.columns.push_back({.number = static_cast<int>(rows.integer(row, 6)),
                                        .name = rows.text(row, 7),
                                        .source_type = rows.text(row, 8),
                                        .type = *type,
                                        .key_place = static_cast<int>(rows.integer(row, 10))});
    }
    mirrors_ = std::move(mirrors);
}

// What the lake does not keep of a shape, such as how its rows are read, is known by the source.
void Mirrors::refresh(const std::map<std::uint32_t, Shape>& shapes) {
    for (auto& [rel, mirror] : *mirrors_) {
        const auto found = shapes.find(rel);
        if (found != shapes.end() && !has_changed(mirror.shape, found->second)) mirror.shape = found->second;
    }
}

// Why a table has no mirror; empty: it has one, or gets one.
std::string Mirrors::why_not(const Shape& shape) const {
    if (!config_.mirrors(shape.schema, shape.name)) return std::string(switched_off);
    if (shape.key().empty()) return "it has neither a primary key nor a unique index on columns that are never NULL";
    if (!shape.may_read) return fmt::format("the role {} may not read it", source_.connection().user());
    if (shape.has_hashed_columns) return "it has hashed columns";
    // DuckDB has a catalog of this name, and takes a schema of this name for it.
    if (is_equal_ignoring_case(shape.schema, "temp")) return "DuckDB keeps the schema name temp for itself";
    if (!shape.twin.empty()) return fmt::format("{} has the same name in the lake", shape.twin);
    if (is_equal_ignoring_case(shape.schema, "eider") ||
        is_equal_ignoring_case(shape.schema + "." + shape.name, "main.cdc")) {
        return "its name is one of eider's own in the lake";
    }
    for (std::size_t i = 0; i < shape.columns.size(); ++i) {
        const std::string& name = shape.columns[i].name;
        for (const auto* reserved : {"row_id", "begin_snapshot", "end_snapshot"}) {
            if (is_equal_ignoring_case(name, reserved))
                return fmt::format("DuckLake keeps the column name {} for itself", name);
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (is_equal_ignoring_case(name, shape.columns[j].name)) {
                return fmt::format("the columns {} and {} have one name in the lake", shape.columns[j].name, name);
            }
        }
    }
    return {};
}

void Mirrors::drop_gone(const std::map<std::uint32_t, Shape>& shapes) {
    for (auto& [rel, mirror] : *mirrors_) {
        if (mirror.state == "dropped") continue;
        const std::string reason = why_gone(rel, shapes);
        if (reason.empty()) continue;
        drop(mirror);
        mirror.state = "dropped";
        mirror.reason = reason;
        note(mirror);
    }
}

// Why a mirror that is there cannot be kept up any longer; empty: it can.
std::string Mirrors::why_gone(std::uint32_t rel, const std::map<std::uint32_t, Shape>& shapes) const {
    const auto found = shapes.find(rel);
    return found == shapes.end() ? "the source table is gone, or no longer captured" : why_not(found->second);
}

void Mirrors::drop(const Mirror& mirror) {
    lake_.session().run("DROP TABLE IF EXISTS " + mirror_name(mirror.shape));
}

void Mirrors::copy(const Shape& shape) {
    const std::int64_t pages = shape.is_partitioned ? 0
                                                    : source_.connection()
                                                          .query("SELECT pg_relation_size($1::oid::regclass) / 8192",
                                                                 {std::to_string(shape.rel)})
                                                          .integer(0, 0);
    const std::size_t parts = pages * 8192 >= bytes_for_two_streams && std::thread::hardware_concurrency() >= 2 ? 2 : 1;
    lake::RowStreams streams;
    const auto readers = source_.readers(parts);
    for (std::size_t part = 0; part < parts; ++part) {
        const auto from = pages * static_cast<std::int64_t>(part) / static_cast<std::int64_t>(parts);
        const auto to = pages * static_cast<std::int64_t>(part + 1) / static_cast<std::int64_t>(parts);
        std::string range;
        if (part > 0) range = fmt::format("r.ctid >= '({},0)'", from);
        if (part + 1 < parts) range += fmt::format("{}r.ctid < '({},0)'", range.empty() ? "" : " AND ", to);
        readers[part]->run(sql::reader_settings);
        streams.push_back(std::make_unique<TableStream>(*readers[part], shape.select(range)));
    }
    lake::Session& session = lake_.session();
    session.run(fmt::format("CREATE SCHEMA IF NOT EXISTS lake.{}; CREATE TABLE {} ({})", quote_ident(shape.schema),
                            mirror_name(shape), column_list(shape)));
    lake_.use_threads(parts);
    run_over_rows(shape, shape.row_columns(), std::move(streams),
                  fmt::format("INSERT INTO {} FROM eider_rows()", mirror_name(shape)));
    check_not_rewritten(shape);
    Mirror mirror{.state = "mirrored", .reason = {}, .shape = shape};
    ++copied_tables_;
    copied_rows_ += lake_.rows().rows();
    note(mirror, lake_.rows().rows());
    (*mirrors_)[shape.rel] = std::move(mirror);
    crash_point("mirror.copied");
}

// Runs a statement that reads eider_rows().
void Mirrors::run_over_rows(const Shape& shape, std::vector<lake::RowColumn> columns, lake::RowStreams streams,
                            const std::string& statement) {
    lake_.rows().load(std::move(columns), std::move(streams));
    try {
        try {
            lake_.session().run(statement);
        } catch (const Error&) {
            lake_.rows().finish();  // throws the stream's own error, where there was one
            throw;
        }
        lake_.rows().finish();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unrepresentable) throw;
        unfit_[shape.rel] = error.what();
        throw TryAgain();
    }
}

// A table that was rewritten or truncated after the snapshot was taken looks empty to it (PostgreSQL documentation,
// "Caveats" of Concurrency Control). By now our lock keeps it as it is, so one look is enough.
void Mirrors::check_not_rewritten(const Shape& shape) {
    const std::vector<std::uint32_t> rels{shape.rel};
    const auto now = read_shapes(source_.latest(), &rels);
    const auto found = now.find(shape.rel);
    if (found == now.end() || found->second.storage != shape.storage) throw TryAgain();
}

// The net changes of the batch at hand, as temp.eider_net, with doubts settled there and in the log.
void Mirrors::find_changes(const Shape& shape) {
    lake::Session& session = lake_.session();
    session.run(fill(sql::read_changes, {{"row_function", lake_.rows().row_function(shape.row_columns())},
                                         {"rel", std::to_string(shape.rel)}}));
    session.run(fill(sql::net_changes, {{"keys", cells(shape.key())}}));
    if (session.query("SELECT count(*) FROM temp.eider_net WHERE in_doubt").integer(0, 0) > 0) settle_doubts(shape);
}

// Whether rows were written under another shape than the table had before the batch and has now again: columns that were
// renamed and named back. Rows of partitions may have the columns in another order.
bool Mirrors::has_other_shapes(const Shape& shape) {
    return lake_.session()
               .query(fmt::format("SELECT count(*) FROM temp.eider_changes WHERE differs > {}",
                                  shape.is_partitioned ? 1 : 0))
               .integer(0, 0) > 0;
}

void Mirrors::apply_changes(const Shape& shape) {
    lake::Session& session = lake_.session();
    const auto key = shape.key();
    find_changes(shape);
    if (has_other_shapes(shape)) {
        const Mirror was{.state = {}, .reason = {}, .shape = shape};
        drop(was);
        copy(was.shape);
        return;
    }
    std::vector<std::string> key_cells;
    for (const auto place : key) key_cells.push_back(fmt::format("c{}", place));
    const Rows wrong =
        session.query(fmt::format("SELECT concat_ws(', ', {}), wrong FROM temp.eider_net WHERE wrong IS NOT NULL AND "
                                  "(op <> 'D' OR {} IS NULL) LIMIT 1",
                                  cells(key), join(key_cells, " IS NULL OR ")));
    if (!wrong.empty()) {
        quarantine(shape, fmt::format("{} (in the row whose {} is {})", wrong.text(0, 1), name_of_key(shape),
                                      wrong.text(0, 0)));
        return;
    }
    std::string range;
    const auto& first = shape.columns[key[0]];
    if (has_useful_range(first.type.kind)) {
        const Rows ends = session.query(
            fmt::format("SELECT min(c{0})::VARCHAR, max(c{0})::VARCHAR FROM temp.eider_net WHERE NOT is_new", key[0]));
        if (ends.rows[0][0]) {
            range = fmt::format(" AND mirror.{0} BETWEEN {1}::{3} AND {2}::{3}", quote_ident(first.name),
                                quote_literal(ends.text(0, 0)), quote_literal(ends.text(0, 1)), first.type.sql());
        }
    }
    session.run(fill(sql::apply_net, {{"mirror", mirror_name(shape)},
                                      {"keys", cells(key)},
                                      {"mirror_is_net", mirror_is_net(shape)},
                                      {"range", range},
                                      {"columns", cells(all_places(shape))}}));
}

// Reads the rows of the keys in doubt from the source.
void Mirrors::settle_doubts(const Shape& shape) {
    lake::Session& session = lake_.session();
    Connection& reader = *source_.readers(1)[0];
    const auto key = shape.key();
    std::vector<std::string> mine;
    std::vector<std::string> asked;
    std::vector<std::string> asked_columns;
    for (const auto place : key) {
        mine.push_back("r." + quote_ident(shape.columns[place].name));
        asked.push_back("asked." + quote_ident(shape.columns[place].name));
        // As json_to_record makes it of what row_to_json wrote: no cast reads an array's JSON.
        asked_columns.push_back(
            fmt::format("{} {}", quote_ident(shape.columns[place].name), shape.columns[place].source_type));
    }
    auto columns = shape.row_columns();
    columns.push_back({.name = "row_to_json", .type = {.kind = lake::TypeKind::json}});
    const std::size_t row = columns.size() - 1;

    const Rows doubts = session.query(
        "SELECT batch.data::VARCHAR FROM temp.eider_net AS net JOIN temp.eider_batch AS batch USING (seq) WHERE "
        "net.in_doubt");
    reader.run(sql::reader_settings);
    for (std::size_t from = 0; from == 0 || from < doubts.rows.size(); from += keys_per_question) {
        std::vector<std::string> rows;
        for (std::size_t i = from; i < std::min(from + keys_per_question, doubts.rows.size()); ++i)
            rows.push_back(quote_literal(doubts.text(i, 0)));
        const std::string where = fmt::format(
            "({}) IN (SELECT {} FROM unnest(ARRAY[{}]::json[]) AS given (data), json_to_record(given.data) AS asked "
            "({}))",
            join(mine, ", "), join(asked, ", "), join(rows, ", "), join(asked_columns, ", "));
        lake::RowStreams streams;
        streams.push_back(std::make_unique<TableStream>(reader, shape.select(where, row_json(shape))));
        run_over_rows(shape, columns, std::move(streams),
                      from == 0 ? "CREATE OR REPLACE TEMP TABLE eider_fresh AS FROM eider_rows()"
                                : "INSERT INTO temp.eider_fresh FROM eider_rows()");
    }
    // Two questions may find one row: keys that are not identical can be equal (citext).
    session.run(
        fmt::format("CREATE OR REPLACE TEMP TABLE eider_fresh AS FROM temp.eider_fresh QUALIFY row_number() OVER "
                    "(PARTITION BY {}) = 1",
                    cells(key)));
    check_not_rewritten(shape);
    session.run(fill(sql::settle_doubts, {{"row", fmt::format("c{}", row)},
                                          {"fresh_is_net", same_key(shape, "fresh", "net")},
                                          {"net_columns", cells(all_places(shape), "net.")},
                                          {"fresh_columns", cells(all_places(shape), "fresh.")}}));
    append_corrections(shape);
}

// So that the log by itself replays to what the mirror holds.
void Mirrors::append_corrections(const Shape& shape) {
    const Rows rows = lake_.session().query(std::string(sql::read_corrections));
    if (rows.empty()) return;
    const auto numbers = source_.draw_numbers(rows.rows.size());
    std::vector<Correction> corrections;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        corrections.push_back({.event = {.seq = numbers[row],
                                         .xid = static_cast<std::uint64_t>(rows.integer(row, 2)),
                                         .ts_us = rows.integer(row, 3),
                                         .op = rows.text(row, 1)[0],
                                         .rel = shape.rel,
                                         .table_schema = shape.schema,
                                         .table_name = shape.name},
                               .data = rows.text(row, 0)});
    }
    lake_.append_corrections(batch_, std::make_unique<CorrectionStream>(std::move(corrections)));
}

std::vector<Verification> Mirrors::verify(const std::vector<TablePattern>& tables) {
    std::vector<Verification> found;
    for (const auto& [rel, mirror] : *mirrors_) {
        if (mirror.state == "dropped" || !matches_any(tables, mirror.shape)) continue;
        if (mirror.state == "mirrored") found.push_back(verify(mirror.shape));
        else
            found.push_back(
                {.table = mirror.shape.label(), .reason = fmt::format("{}: {}", mirror.state, mirror.reason)});
    }
    return found;
}

Verification Mirrors::verify(const Shape& shape) {
    lake::Session& session = lake_.session();
    Connection& reader = *source_.readers(1)[0];
    reader.run(sql::reader_settings);
    lake::RowStreams streams;
    streams.push_back(std::make_unique<TableStream>(reader, shape.select({})));
    run_over_rows(shape, shape.row_columns(), std::move(streams),
                  "CREATE OR REPLACE TEMP TABLE eider_source AS FROM eider_rows()");
    check_not_rewritten(shape);
    Verification found{.table = shape.label(), .reason = {}, .rows = lake_.rows().rows()};
    found.mirror_rows = session.query("SELECT count(*) FROM " + mirror_name(shape)).integer(0, 0);

    std::vector<std::string> columns;
    for (std::size_t i = 0; i < shape.columns.size(); ++i)
        columns.push_back(fmt::format("{} AS c{}", quote_ident(shape.columns[i].name), i));
    session.run(fill(sql::verify,
                     {{"mirror_rows", fmt::format("SELECT {} FROM {}", join(columns, ", "), mirror_name(shape))}}));
    found.missing = session.query("SELECT count(*) FROM temp.eider_missing").integer(0, 0);
    found.surplus = session.query("SELECT count(*) FROM temp.eider_surplus").integer(0, 0);
    const Rows keys = session.query(
        fmt::format("SELECT DISTINCT concat_ws(', ', {0}) AS key FROM (SELECT {0} FROM temp.eider_missing UNION ALL "
                    "SELECT {0} FROM temp.eider_surplus) ORDER BY key LIMIT 5",
                    cells(shape.key())));
    for (std::size_t row = 0; row < keys.rows.size(); ++row)
        found.keys.push_back(fmt::format("{} = {}", name_of_key(shape), keys.text(row, 0)));
    session.run("DROP TABLE temp.eider_source; DROP TABLE temp.eider_missing; DROP TABLE temp.eider_surplus");
    return found;
}

std::vector<std::string> Mirrors::resync(const std::vector<TablePattern>& tables) {
    load();
    std::vector<std::string> labels;
    for (const auto& [rel, mirror] : *mirrors_) {
        if (mirror.state == "dropped" || !matches_any(tables, mirror.shape)) continue;
        again_.insert(rel);
        labels.push_back(mirror.shape.label());
    }
    if (labels.empty()) throw Error(ErrorKind::config, "no mirror of such a name", "eider status shows all");
    return labels;
}

std::map<std::pair<std::string, std::string>, MirrorState> Mirrors::states() {
    load();
    std::map<std::pair<std::string, std::string>, MirrorState> states;
    for (const auto& [rel, shape] : read_shapes(source_.connection())) {
        MirrorState& state = states[{shape.schema, shape.name}];
        const auto known = mirrors_->find(rel);
        const std::string reason = why_not(shape);
        if (!reason.empty()) state = {.state = "none", .reason = reason};
        else if (known == mirrors_->end() || known->second.state == "dropped")
            state = {.state = "waiting", .reason = "the next sync makes the first copy"};
        else state = {.state = known->second.state, .reason = known->second.reason};
    }
    return states;
}

// The mirror stays as it is, and is told to be no longer true.
void Mirrors::quarantine(const Shape& shape, const std::string& reason) {
    Mirror mirror{.state = "quarantined", .reason = reason, .shape = shape};
    note(mirror);
    (*mirrors_)[shape.rel] = std::move(mirror);
}

void Mirrors::note(const Mirror& mirror, std::optional<std::int64_t> row_count) {
    const Shape& shape = mirror.shape;
    const std::string consumer = quote_literal(config_.consumer);
    std::string statements =
        fill(sql::note_table, {{"consumer", consumer},
                               {"rel", std::to_string(shape.rel)},
                               {"batch", std::to_string(batch_)},
                               {"state", quote_literal(mirror.state)},
                               {"table_schema", quote_literal(shape.schema)},
                               {"table_name", quote_literal(shape.name)},
                               {"storage", quote_literal(shape.storage)},
                               {"reason", mirror.reason.empty() ? "NULL" : quote_literal(mirror.reason)},
                               {"row_count", row_count ? std::to_string(*row_count) : "NULL"}});
    std::vector<std::string> columns;
    for (const auto& column : shape.columns) {
        columns.push_back(fmt::format("({}, {}, {}, {}, {}, {}, {}, {})", consumer, shape.rel, batch_, column.number,
                                      quote_literal(column.name), quote_literal(column.source_type),
                                      quote_literal(column.type.sql()), column.key_place));
    }
    if (mirror.state != "dropped")
        statements += fmt::format(";\nINSERT INTO lake.eider.columns VALUES {}", join(columns, ", "));
    lake_.session().run(statements);
}

}  // namespace eider::mirror
