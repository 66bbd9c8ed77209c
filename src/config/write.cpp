// The commented eider.toml that `eider init` writes.
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"

namespace eider {
namespace {

// A TOML basic string.
std::string toml_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') out += {'\\', c};
        else if (byte < 0x20 || byte == 0x7f) out += fmt::format("\\u{:04X}", byte);
        else out += c;
    }
    return out + "\"";
}

// `key = value`, or the same as a comment when nobody said.
std::string line(std::string_view key, std::string_view given, std::string_view default_value) {
    if (given.empty()) return fmt::format("# {} = {}\n", key, default_value);
    return fmt::format("{} = {}\n", key, given);
}

std::string quoted_or_empty(const std::string& text) {
    return text.empty() ? text : toml_quoted(text);
}

std::string list_or_empty(const std::vector<std::string>& items) {
    if (items.empty()) return {};
    std::vector<std::string> quoted;
    for (const auto& item : items) quoted.push_back(toml_quoted(item));
    return "[" + join(quoted, ", ") + "]";
}

std::string source_lines(const std::string& source) {
    std::string out =
        "# The database whose changes are captured: a URI, or keywords as libpq takes them.\n"
        "# PGPASSFILE, ~/.pgpass and service files (service=NAME) work. EIDER_SOURCE goes before this line.\n";
    if (has_password(source)) {
        out +=
            "# This one holds a password: keep the file to yourself (chmod 600) and out of version control,\n"
            "# or move the password to ~/.pgpass or EIDER_SOURCE.\n";
    }
    return out + line("source", quoted_or_empty(source), "\"postgresql://user@host/database\"");
}

class NewFile {
public:
    NewFile(const std::filesystem::path& path, mode_t mode)
        : path_(path), descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)) {
        existed_ = descriptor_ < 0 && errno == EEXIST;
        if (descriptor_ < 0 && !existed_) fail();
    }
    ~NewFile() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;

    bool existed() const { return existed_; }

    void write(std::string_view text) {
        while (!text.empty()) {
            const ssize_t written = ::write(descriptor_, text.data(), text.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail();
            text.remove_prefix(static_cast<std::size_t>(written));
        }
    }

private:
    [[noreturn]] void fail() const {
        throw Error(ErrorKind::disk, fmt::format("{} cannot be written: {}", path_.string(), std::strerror(errno)));
    }

    std::filesystem::path path_;
    int descriptor_;
    bool existed_ = false;
};

}  // namespace

bool has_password(std::string_view connection_string) {
    return redact(connection_string) != connection_string;
}

std::string config_file_text(const NewConfig& values) {
    std::string out =
        "# Configuration of eider. Each key can also come from the environment, which goes before the file;\n"
        "# a flag goes before both. All keys: docs/configuration.md. Lines with # show the default.\n\n";
    out += source_lines(values.source);
    out +=
        "\n[lake]\n"
        "# Where the catalog of the lake lies: \"source\" (a schema of its own in the source server), another\n"
        "# PostgreSQL (postgresql://...), \"sqlite:FILE\", or a DuckDB file (\"lake.ducklake\").\n";
    out += line("catalog", quoted_or_empty(values.catalog), "\"source\"");
    out += "# Where the data lies: a folder, relative to this file, or a URL such as s3://bucket/prefix.\n";
    out += line("data_path", quoted_or_empty(values.data_path), "\"./lake\"");
    out +=
        "\n[capture]\n"
        "# Tables to capture; * is any run of characters. System schemas are left out always.\n";
    out += line("tables", list_or_empty(values.tables), "[\"*.*\"]");
    out +=
        "# exclude = [\"*.*_tmp\"]\n"
        "# \"unlogged\" costs no WAL; after a crash of the server eider notices the gap and repairs the mirrors.\n"
        "# durability = \"unlogged\"\n"
        "\n# Rules for single tables, general ones first: the last rule that says something wins; what is excluded\n"
        "# or hashed by any rule stays so.\n"
        "# [[table]]\n"
        "# match = \"shop.users\"\n"
        "# exclude = [\"password\"]        # columns that never leave the source\n"
        "# hash = [\"email\"]              # columns of which only a keyed hash does\n"
        "# where = \"deleted_at IS NULL\"  # only such rows\n"
        "# before = true                 # record the row before an update, too\n"
        "# context = true                # record session user, application and SET LOCAL eider.context\n"
        "\n[engine]\n"
        "# memory_limit = \"512MB\"        # of DuckDB; a batch that needs more spills to disk\n"
        "# threads = 0                   # 0: as many as cores\n";
    return out;
}

bool write_config_file(const std::filesystem::path& file, const NewConfig& values) {
    const std::string text = config_file_text(values);
    NewFile out(file, has_password(values.source) || has_password(values.catalog) ? 0600 : 0644);
    if (out.existed()) return false;
    out.write(text);
    return true;
}

}  // namespace eider
