#include "cli/output.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <numeric>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"

namespace eider::cli {
namespace {

constexpr std::string_view gap = "  ";
constexpr std::size_t cell_width_min = 8;
constexpr std::string_view ellipsis = "…";

struct Decoded {
    char32_t point;
    std::size_t bytes;
};

// The next character of UTF-8; a byte that is none counts as one character.
Decoded decode(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char first = byte(0);
    const std::size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (length == 1 || length > text.size()) return {first, 1};
    char32_t point = first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {first, 1};
        point = (point << 6) | (byte(i) & 0x3fU);
    }
    return {point, length};
}

std::size_t width_of(char32_t point) {
    struct Range {
        char32_t from;
        char32_t to;
    };
    static constexpr std::array none{Range{0x300, 0x36f}, Range{0x200b, 0x200f}, Range{0x20d0, 0x20ff},
                                     Range{0xfe00, 0xfe0f}};
    static constexpr std::array wide{Range{0x1100, 0x115f},   Range{0x2e80, 0x303e},  Range{0x3041, 0xa4cf},
                                     Range{0xac00, 0xd7a3},   Range{0xf900, 0xfaff},  Range{0xfe30, 0xfe6f},
                                     Range{0xff00, 0xff60},   Range{0xffe0, 0xffe6},  Range{0x1f300, 0x1f64f},
                                     Range{0x1f900, 0x1f9ff}, Range{0x20000, 0x3fffd}};
    const auto holds = [point](const Range& range) { return point >= range.from && point <= range.to; };
    if (std::any_of(none.begin(), none.end(), holds)) return 0;
    return std::any_of(wide.begin(), wide.end(), holds) ? 2 : 1;
}

// Control characters as escapes, so that a line stays a line and a terminal stays as it is.
std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto [point, bytes] = decode(text);
        if (point == '\n') out += "\\n";
        else if (point == '\t') out += "\\t";
        else if (point == '\r') out += "\\r";
        else if (point < 0x20 || (point >= 0x7f && point < 0xa0))
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(point));
        else out += text.substr(0, bytes);
        text.remove_prefix(bytes);
    }
    return out;
}

std::string cut_to(const std::string& text, std::size_t width) {
    if (display_width(text) <= width) return text;
    std::string out;
    std::size_t taken = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const auto [point, bytes] = decode(rest);
        if (taken + width_of(point) + 1 > width) break;
        taken += width_of(point);
        out += rest.substr(0, bytes);
        rest.remove_prefix(bytes);
    }
    return out + std::string(ellipsis);
}

// Takes width from the widest columns until a line fits.
void shrink(std::vector<std::size_t>& widths, std::size_t width_max) {
    const std::size_t gaps = gap.size() * (widths.size() - 1);
    while (std::accumulate(widths.begin(), widths.end(), gaps) > width_max) {
        const auto widest = std::max_element(widths.begin(), widths.end());
        if (*widest <= cell_width_min) return;
        --*widest;
    }
}

std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                 const std::vector<Column>& columns) {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string cell = cut_to(cells[i], widths[i]);
        const std::string space(widths[i] - display_width(cell), ' ');
        if (i > 0) out += gap;
        out += columns[i].type == CellType::number ? space + cell : cell + space;
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
}

std::string csv_field(const std::optional<std::string>& cell) {
    if (!cell) return {};
    if (!cell->empty() && cell->find_first_of(",\"\r\n") == std::string::npos) return *cell;
    std::string out = "\"";
    for (const char c : *cell) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

std::string json_text(const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_value(const std::optional<std::string>& cell, CellType type) {
    if (!cell) return "null";
    // NaN and infinity are no JSON numbers: they stay texts.
    if (type != CellType::text && nlohmann::json::accept(*cell)) return *cell;
    return json_text(*cell);
}

}  // namespace

bool is_terminal(std::FILE* file) {
    return ::isatty(::fileno(file)) != 0;
}

TableStyle stdout_style() {
    if (!is_terminal(stdout)) return {};
    winsize size{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    const char* no_color = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
    return {known ? size.ws_col : 0U, !dumb && (no_color == nullptr || *no_color == '\0')};
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const auto [point, bytes] = decode(text);
        width += width_of(point);
        text.remove_prefix(bytes);
    }
    return width;
}

std::string as_aligned_text(const Table& table, const TableStyle& style) {
    if (table.columns.empty()) return {};
    std::vector<std::vector<std::string>> lines(1);
    for (const auto& column : table.columns) lines[0].push_back(printable(column.name));
    for (const auto& row : table.rows) {
        auto& cells = lines.emplace_back();
        for (const auto& cell : row) cells.push_back(printable(cell.value_or("")));
    }
    std::vector<std::size_t> widths(table.columns.size());
    for (const auto& cells : lines) {
        for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(cells[i]));
    }
    if (style.width_max > 0) shrink(widths, style.width_max);
    std::vector<std::string> rules;
    for (const std::size_t width : widths) rules.emplace_back(width, '-');
    const std::string head = line(lines[0], widths, table.columns);
    std::string out = style.color ? fmt::format("\033[1m{}\033[0m\n", head) : head + "\n";
    out += fmt::format("{}\n", fmt::join(rules, gap));
    for (std::size_t i = 1; i < lines.size(); ++i) out += line(lines[i], widths, table.columns) + "\n";
    return out;
}

std::string as_csv(const Table& table) {
    std::vector<std::string> fields;
    for (const auto& column : table.columns) fields.push_back(csv_field(column.name));
    std::string out = fmt::format("{}\n", fmt::join(fields, ","));
    for (const auto& row : table.rows) {
        fields.clear();
        for (const auto& cell : row) fields.push_back(csv_field(cell));
        out += fmt::format("{}\n", fmt::join(fields, ","));
    }
    return out;
}

std::string as_json(const Table& table) {
    std::string out = "[";
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        out += row == 0 ? "\n{" : ",\n{";
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            if (i > 0) out += ", ";
            out += json_text(table.columns[i].name) + ": " + json_value(table.rows[row][i], table.columns[i].type);
        }
        out += "}";
    }
    return out + (table.rows.empty() ? "]\n" : "\n]\n");
}

void print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
    throw Error(ErrorKind::disk, "the result cannot be written to stdout");
}

Progress::Progress(bool quiet) : active_(!quiet && is_terminal(stderr)) {}

Progress::~Progress() {
    clear();
}

void Progress::update(std::string_view text) {
    using namespace std::chrono_literals;
    if (!active_) return;
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - started_ < 1s || now - updated_ < 100ms) return;
    updated_ = now;
    shown_ = true;
    std::fputs(fmt::format("\r\033[K{}", printable(text)).c_str(), stderr);
    std::fflush(stderr);
}

void Progress::clear() {
    const std::lock_guard lock(mutex_);
    if (!shown_) return;
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    shown_ = false;
}

}  // namespace eider::cli
