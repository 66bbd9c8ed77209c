// Rows of source tables in DuckDB: read from the source (`FROM eider_rows()`) or out of captured JSON (`eider_row_N(data)`).
//
// Guarantees: a value comes out the same both ways; one that does not fit its type is reported, never NULL in silence.
// Threads: DuckDB reads as many streams at once as it has threads.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lake/engine.h"
#include "lake/type.h"

namespace eider::lake {

enum class Encoding { json, binary };

struct RowColumn {
    std::string
        name;  // in the source and in its JSON; in DuckDB columns are c0, c1 ... so that no name of ours can be theirs
    Type type;
    Encoding encoding = Encoding::json;  // in which a RowStream gives it
    bool operator==(const RowColumn&) const = default;
};

class RowStream {
public:
    virtual ~RowStream() = default;
    // The next row's cells in the order of the columns (nullopt is NULL), valid until the next call; nullptr at the end.
    virtual const std::vector<std::optional<std::string_view>>* next() = 0;
};

using RowStreams = std::vector<std::unique_ptr<RowStream>>;

class RowFeed {
public:
    // Makes `eider_rows()` known to `session`'s database. The feed must outlive the session.
    explicit RowFeed(Session& session);

    // Sets what the next statement reads. Rows count from zero again.
    void load(std::vector<RowColumn> columns, RowStreams streams);

    // Lets go of the streams. Throws the error of a stream that failed while it was read, and Error(unrepresentable),
    // whose words name column and type, for a value that does not fit.
    void finish();

    std::int64_t rows() const { return rows_; }

    // The name of a function of one JSON argument, a captured row, that returns STRUCT(c0, c1 ..., wrong VARCHAR,
    // differs SMALLINT). A field that is not there is NULL. wrong: NULL, or which value does not fit which type. differs: 0
    // where the row has exactly these columns, 1 in another order, 2 where it has others.
    std::string row_function(const std::vector<RowColumn>& columns);

    // DuckDB forgets functions that were made in a transaction that is rolled back. Call after each rollback.
    void forget_functions() { functions_.clear(); }

private:
    friend struct RowFunctions;
    RowStream* take();
    void fail(std::exception_ptr error);

    Session& session_;
    std::mutex mutex_;
    std::vector<RowColumn> columns_;
    RowStreams streams_;
    std::size_t taken_ = 0;
    std::int64_t rows_ = 0;
    std::exception_ptr error_;
    struct Function {
        std::vector<RowColumn> columns;
        std::string name;
    };
    std::vector<Function> functions_;
    std::size_t made_ = 0;  // no name is used twice: one that seems forgotten may still be there
};

}  // namespace eider::lake
