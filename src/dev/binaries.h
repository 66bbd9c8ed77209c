// Where PostgreSQL's programs lie, and as whom they run.
// Threads: free functions, nothing shared.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace eider::dev {

struct Binaries {
    std::filesystem::path folder;  // holds initdb and postgres
    std::string version;           // "postgres (PostgreSQL) 15.4 (Debian ...)"
};

// `wanted`, or EIDER_PG_BIN, or initdb on PATH, or `pg_config --bindir`, or the newest of
// /usr/lib/postgresql/*/bin. Throws Error(config) that says where it looked.
Binaries find_binaries(const std::filesystem::path& wanted = {});

// PostgreSQL refuses to run as root: then another user takes over.
struct RunAs {
    bool change = false;  // otherwise as who we are
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
};

// The user `postgres`, or `nobody`, if this process is root's. Throws Error(config) if there is neither.
RunAs server_user();

// The newest version folder of a list such as {"9.6", "14", "15"}; empty for an empty list. Names that are no version
// are left out.
std::string newest_version(const std::vector<std::string>& names);

}  // namespace eider::dev
