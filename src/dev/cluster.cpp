#include "dev/cluster.h"

#include <cerrno>
#include <clocale>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "dev/process.h"

namespace eider::dev {
namespace {

namespace fs = std::filesystem;

// A socket's path has room for 107 bytes; the rest is for "/eider-XXXXXX/.s.PGSQL.65535.lock".
constexpr std::size_t temporary_path_bytes_max = 70;

// Raised when what initdb is asked for changes.
constexpr int format = 1;

bool can_be_entered_by_others(fs::path folder) {
    for (folder = fs::absolute(folder); folder.has_relative_path(); folder = folder.parent_path()) {
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0 || (status.st_mode & S_IXOTH) == 0) return false;
    }
    return true;
}

fs::path temporary_root(const RunAs& as) {
    std::error_code error;
    const fs::path wanted = fs::temp_directory_path(error);
    const bool fits = !error && wanted.native().size() <= temporary_path_bytes_max;
    return fits && (!as.change || can_be_entered_by_others(wanted)) ? wanted : fs::path("/tmp");
}

void give_to(const fs::path& path, const RunAs& as) {
    if (!as.change || ::chown(path.c_str(), as.uid, as.gid) == 0) return;
    throw Error(ErrorKind::disk,
                fmt::format("{} cannot be given to {}: {}", path.string(), as.name, std::strerror(errno)));
}

std::string random_password() {
    std::random_device random;
    std::string out;
    for (int i = 0; i < 4; ++i) out += fmt::format("{:08x}", random());
    return out;
}

void write_secret(const fs::path& file, const std::string& text) {
    std::ofstream out(file);
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    out << text << std::flush;
    if (!out) throw Error(ErrorKind::disk, fmt::format("{} cannot be written", file.string()));
}

std::string read_line(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

// A locale that knows letters beyond ASCII, and sorts the same everywhere.
std::string locale_name() {
    const locale_t found = ::newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
    if (found == nullptr) return "C";
    ::freelocale(found);
    return "C.UTF-8";
}

std::vector<std::string> initdb_options() {
    return {"--username=postgres", "--encoding=UTF8",           "--locale=" + locale_name(),
            "--auth-local=trust",  "--auth-host=scram-sha-256", "--no-sync"};
}

void run_initdb(const Binaries& binaries, const RunAs& as, const fs::path& folder, const std::string& password) {
    const fs::path secret = folder / "password";
    write_secret(secret, password);
    give_to(secret, as);
    std::vector<std::string> argv{(binaries.folder / "initdb").string(), "--pgdata=" + (folder / "data").string(),
                                  "--pwfile=" + secret.string()};
    for (auto& option : initdb_options()) argv.push_back(std::move(option));
    const Output output = run_program(argv, as);
    fs::remove(secret);
    if (output.exit_code == 0) return;
    throw Error(
        ErrorKind::source_unavailable, fmt::format("initdb failed ({}): {}", output.exit_code, trim(output.text)),
        as.change
            ? fmt::format("it runs as the user {}, who must be able to reach {}", as.name, binaries.folder.string())
            : std::string());
}

void copy_folder(const fs::path& from, const fs::path& to) {
    const Output output = run_program({"cp", "-a", "--reflink=auto", "--", from.string(), to.string()});
    if (output.exit_code == 0) return;
    throw Error(ErrorKind::disk,
                fmt::format("{} cannot be copied to {}: {}", from.string(), to.string(), trim(output.text)));
}

// Whatever goes wrong here costs the next start an initdb, no more.
void keep_copy(const fs::path& data, const std::string& password, const fs::path& place) {
    std::error_code error;
    fs::create_directories(place.parent_path(), error);
    std::string pattern = (place.parent_path() / ".new-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return;
    try {
        copy_folder(data, fs::path(pattern) / "data");
        write_secret(fs::path(pattern) / "password", password);
        fs::rename(pattern, place, error);
    } catch (const Error&) {
        error = std::make_error_code(std::errc::io_error);
    }
    // Another one was first, or the disk is full.
    if (error) fs::remove_all(pattern, error);
}

}  // namespace

// FNV-1a, because std::hash may differ from build to build.
std::string hash_of(const std::string& text) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    return fmt::format("{:016x}", hash);
}

fs::path cache_folder() {
    for (const auto& [variable, below] : {std::pair{"XDG_CACHE_HOME", ""}, std::pair{"HOME", ".cache"}}) {
        const char* value = std::getenv(variable);
        if (value != nullptr && fs::path(value).is_absolute()) return fs::path(value) / below / "eider";
    }
    return {};
}

fs::path cached_cluster(const Binaries& binaries, const RunAs& as) {
    const fs::path cache = cache_folder();
    if (cache.empty()) return {};
    const std::string what = fmt::format("{}\n{}\n{}\n{}\n{}", format, binaries.version, binaries.folder.string(),
                                         join(initdb_options(), "\n"), as.change ? as.uid : ::getuid());
    return cache / "postgres" / hash_of(what);
}

fs::path make_temporary_folder(const RunAs& as) {
    std::string pattern = (temporary_root(as) / "eider-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw Error(ErrorKind::disk, fmt::format("no folder can be made like {}: {}", pattern, std::strerror(errno)),
                    "TMPDIR names another place");
    }
    give_to(pattern, as);
    return pattern;
}

Cluster make_cluster(const Binaries& binaries, const RunAs& as, const fs::path& folder, bool from_cache) {
    Cluster cluster{folder / "data", {}, false};
    const fs::path cached = cached_cluster(binaries, as);
    std::error_code error;
    if (from_cache && !cached.empty() && fs::exists(cached / "data" / "PG_VERSION", error)) {
        cluster.password = read_line(cached / "password");
        cluster.from_cache = true;
        copy_folder(cached / "data", cluster.data);
        return cluster;
    }
    fs::remove_all(cluster.data);
    cluster.password = random_password();
    run_initdb(binaries, as, folder, cluster.password);
    if (from_cache && !cached.empty()) keep_copy(cluster.data, cluster.password, cached);
    return cluster;
}

}  // namespace eider::dev
