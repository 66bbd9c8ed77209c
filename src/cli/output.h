// Results for people and for programs: aligned tables, CSV, JSON, a line of progress.
//
// Guarantees: what comes from a database cannot steer the terminal (control characters are shown as escapes); colours
// only on a terminal, and not when NO_COLOR is set. Results go to stdout, progress and messages to stderr.
// Threads: one at a time; Progress may be updated from any thread.
#pragma once

#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eider::cli {

enum class CellType {
    text,
    number,   // to the right; bare in JSON where it is a JSON number
    boolean,  // bare in JSON
    json,     // as it is in JSON
};

struct Column {
    std::string name;
    CellType type = CellType::text;
};

struct Table {
    std::vector<Column> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;  // nullopt: NULL
};

struct TableStyle {
    std::size_t width_max = 0;  // of a line; longer cells are cut with an ellipsis. 0: no limit
    bool color = false;
};

// The style for stdout: the terminal's width and colours, or none when it is no terminal.
TableStyle stdout_style();

std::string as_aligned_text(const Table& table, const TableStyle& style = {});
std::string as_csv(const Table& table);   // RFC 4180 with \n; NULL is an empty field, an empty text is ""
std::string as_json(const Table& table);  // an array of objects, one a line

// Writes a result to stdout. Throws Error(disk) if that fails, for example on a full disk.
void print(std::string_view text);

// How many columns of a terminal a text takes: East Asian wide characters count two, combining ones none.
std::size_t display_width(std::string_view text);

bool is_terminal(std::FILE* file);

// One line on stderr that is overwritten. Silent when stderr is no terminal, when `quiet`, and for the first second.
class Progress {
public:
    explicit Progress(bool quiet = false);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void update(std::string_view text);
    void clear();

private:
    std::mutex mutex_;
    bool active_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point updated_;
};

}  // namespace eider::cli
