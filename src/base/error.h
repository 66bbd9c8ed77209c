// The one error type of eider: what kind of thing went wrong, what happened to what, and what to do.
//
// Guarantees: every failure that leaves a module is an `Error`; `what()` and `hint()` are sentences for
// a person and never hold a secret (connection strings pass through `redact`, see base/text.h).
// Threads: values only, nothing shared.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace eider {

enum class ErrorKind {
    config,              // the file, the environment, a flag or a name in them is wrong
    source_unavailable,  // PostgreSQL cannot be reached
    source_lost,         // the connection broke in the middle of something
    source_rejected,     // PostgreSQL refused a statement
    source_denied,       // the role lacks a right
    source_busy,         // a lock could not be had in time
    source_changed,      // not the database this lake was filled from, or one gone back in time
    not_installed,       // the source has no capture, or one of another version
    lake_unavailable,    // the catalog or the data folder cannot be reached
    lake_rejected,       // DuckDB refused a statement
    lake_conflict,       // another process committed in between; trying again is safe
    lake_incompatible,   // library, header, extensions or catalog do not belong together
    fenced,              // another eider took this lake over
    running,             // another eider holds this lake now
    in_doubt,            // a commit whose answer was lost
    unrepresentable,     // a value that fits no type of the lake
    corrupt,             // data that must be there is not, or bytes that cannot be
    disk,                // a file or folder of this machine
    interrupted,         // a signal asked us to stop
    internal,            // a bug in eider
};

// What the caller that repeats batches does with an error of a kind.
enum class Recovery { retry, stop };

// One row of the table that docs/operations.md prints and a test compares with it.
struct ErrorKindInfo {
    ErrorKind kind;
    std::string_view name;  // as it stands in messages, `--json` and the docs
    int exit_code;          // of the process, unique per kind
    Recovery recovery;
    std::string_view meaning;
};

class Error : public std::runtime_error {
public:
    Error(ErrorKind kind, const std::string& what, std::string hint = {});

    ErrorKind kind() const { return kind_; }
    const std::string& hint() const { return hint_; }

private:
    ErrorKind kind_;
    std::string hint_;
};

std::span<const ErrorKindInfo> error_kinds();
const ErrorKindInfo& info(ErrorKind kind);

}  // namespace eider
