#include "dev/binaries.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "dev/process.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;

const fs::path debian_root = "/usr/lib/postgresql";

bool is_program(const fs::path& file) {
    return ::access(file.c_str(), X_OK) == 0 && !fs::is_directory(file);
}

bool has_server(const fs::path& folder) {
    return is_program(folder / "initdb") && is_program(folder / "postgres");
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : value;
}

// The folder of the first `program` on PATH, through symbolic links.
fs::path folder_on_path(const std::string& program) {
    for (const auto& entry : split(environment("PATH"), ':')) {
        const fs::path file = fs::path(entry) / program;
        std::error_code error;
        if (!entry.empty() && is_program(file)) return fs::canonical(file, error).parent_path();
    }
    return {};
}

fs::path folder_of_pg_config() {
    if (folder_on_path("pg_config").empty()) return {};
    const Output answer = run_program({"pg_config", "--bindir"});
    return answer.exit_code == 0 ? fs::path(trim(answer.text)) : fs::path();
}

fs::path newest_of_debian() {
    std::vector<std::string> versions;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(debian_root, error)) {
        if (has_server(entry.path() / "bin")) versions.push_back(entry.path().filename().string());
    }
    const std::string newest = newest_version(versions);
    return newest.empty() ? fs::path() : debian_root / newest / "bin";
}

Binaries at(const fs::path& folder) {
    const Output answer = run_program({(folder / "postgres").string(), "--version"});
    if (answer.exit_code != 0) {
        throw Error(ErrorKind::config,
                    fmt::format("{} does not run: {}", (folder / "postgres").string(), trim(answer.text)),
                    "give another folder of PostgreSQL's programs as EIDER_PG_BIN");
    }
    return {folder, std::string(trim(answer.text))};
}

}  // namespace

std::string newest_version(const std::vector<std::string>& names) {
    std::string newest;
    double newest_number = 0;
    for (const auto& name : names) {
        double number = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error != std::errc{} || end != name.data() + name.size() || number <= newest_number) continue;
        newest = name;
        newest_number = number;
    }
    return newest;
}

Binaries find_binaries(const fs::path& wanted) {
    const std::string from_environment = environment("EIDER_PG_BIN");
    const fs::path named = wanted.empty() ? fs::path(from_environment) : wanted;
    if (!named.empty()) {
        if (has_server(named)) return at(fs::absolute(named));
        throw Error(ErrorKind::config, fmt::format("{} holds no initdb and postgres", named.string()),
                    "EIDER_PG_BIN is the folder of PostgreSQL's programs, for example /usr/lib/postgresql/15/bin");
    }
    for (const auto& find : {+[] { return folder_on_path("initdb"); }, &folder_of_pg_config, &newest_of_debian}) {
        const fs::path folder = find();
        if (!folder.empty() && has_server(folder)) return at(folder);
    }
    throw Error(ErrorKind::config,
                "no PostgreSQL server is installed here: looked for initdb on PATH, `pg_config --bindir` and "
                "/usr/lib/postgresql/*/bin",
                "install one (Debian: apt-get install postgresql) or name the folder of its programs as EIDER_PG_BIN");
}

RunAs server_user() {
    if (::geteuid() != 0) return {};
    for (const char* name : {"postgres", "nobody"}) {
        if (const passwd* user = ::getpwnam(name)) return {true, user->pw_uid, user->pw_gid, name};
    }
    throw Error(ErrorKind::config, "PostgreSQL does not run as root, and there is neither a user postgres nor nobody",
                "run eider as another user");
}

}  // namespace eider::dev
