// A data folder for a new server: initdb once, a copy ever after.
//
// The result of initdb is kept under $XDG_CACHE_HOME/eider (or ~/.cache/eider), one folder for each version of
// PostgreSQL and set of options; it is built beside its place and renamed, so that two at once do no harm, and holds
// the random password of its superuser, readable by its owner only. Without a place for a cache each start runs initdb.
// Threads: free functions; safe between processes.
#pragma once

#include <filesystem>
#include <string>

#include "dev/binaries.h"

namespace eider::dev {

// A new folder of eider's own under the system's folder for temporary files, which `as` can enter and owns.
// Its path is short enough for a socket in it. Throws Error(disk).
std::filesystem::path make_temporary_folder(const RunAs& as);

struct Cluster {
    std::filesystem::path data;  // for postgres -D
    std::string password;        // of the superuser postgres
    bool from_cache = false;
};

// Makes `folder`/data: a copy of the cached one, or by initdb if there is none or `from_cache` is false.
// Throws Error (disk, source_unavailable with initdb's own words).
Cluster make_cluster(const Binaries& binaries, const RunAs& as, const std::filesystem::path& folder,
                     bool from_cache = true);

// Where the copy of make_cluster's initdb is kept; empty if there is no place for it.
std::filesystem::path cached_cluster(const Binaries& binaries, const RunAs& as);

// 16 hexadecimal digits, the same in every build.
std::string hash_of(const std::string& text);

// $XDG_CACHE_HOME/eider or ~/.cache/eider; empty if neither is set.
std::filesystem::path cache_folder();

}  // namespace eider::dev
