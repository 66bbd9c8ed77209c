#include "base/error.h"

#include <array>
#include <utility>

namespace eider {
namespace {

using enum ErrorKind;
using enum Recovery;

// Exit codes stay what they are once released: scripts depend on them. 1 is left to crashes of the
// language runtime, 2 to the command line and the configuration, as is usual.
constexpr std::array kinds{
    ErrorKindInfo{config, "config", 2, stop, "the file, the environment, a flag or a name in them is wrong"},
    ErrorKindInfo{source_unavailable, "source_unavailable", 10, retry, "PostgreSQL cannot be reached"},
    ErrorKindInfo{source_lost, "source_lost", 11, retry, "the connection to PostgreSQL broke"},
    ErrorKindInfo{source_rejected, "source_rejected", 12, stop, "PostgreSQL refused a statement"},
    ErrorKindInfo{source_denied, "source_denied", 13, stop, "the role lacks a right on the source"},
    ErrorKindInfo{source_busy, "source_busy", 14, retry, "a lock could not be had in time"},
    ErrorKindInfo{source_changed, "source_changed", 15, stop, "not the database this lake was filled from"},
    ErrorKindInfo{not_installed, "not_installed", 16, stop, "the source has no capture, or one of another version"},
    ErrorKindInfo{lake_unavailable, "lake_unavailable", 20, retry, "the catalog or the data folder cannot be reached"},
    ErrorKindInfo{lake_rejected, "lake_rejected", 21, stop, "DuckDB refused a statement"},
    ErrorKindInfo{lake_conflict, "lake_conflict", 22, retry, "another process committed to the lake in between"},
    ErrorKindInfo{lake_incompatible, "lake_incompatible", 23, stop,
                  "library, extensions or catalog do not belong together"},
    ErrorKindInfo{fenced, "fenced", 24, stop, "another eider has taken this lake over"},
    ErrorKindInfo{running, "running", 25, retry, "another eider is working on this lake"},
    ErrorKindInfo{in_doubt, "in_doubt", 26, retry, "the answer to a commit was lost"},
    ErrorKindInfo{unrepresentable, "unrepresentable", 30, stop, "a value fits no type of the lake"},
    ErrorKindInfo{corrupt, "corrupt", 31, stop, "data is missing or damaged"},
    ErrorKindInfo{disk, "disk", 32, retry, "a file or folder cannot be read or written"},
    ErrorKindInfo{interrupted, "interrupted", 130, stop, "a signal asked eider to stop"},
    ErrorKindInfo{internal, "internal", 70, stop, "a bug in eider"},
};

}  // namespace

Error::Error(ErrorKind kind, const std::string& what, std::string hint)
    : std::runtime_error(what), kind_(kind), hint_(std::move(hint)) {}

std::span<const ErrorKindInfo> error_kinds() {
    return kinds;
}

const ErrorKindInfo& info(ErrorKind kind) {
    for (const auto& row : kinds) {
        if (row.kind == kind) return row;
    }
    return kinds.back();
}

}  // namespace eider
