// Which database a lake is filled from.
#pragma once

#include <string>

namespace eider {

// Written into the lake at its start and compared at each later one: docs/protocol.md, "Identity".
struct SourceIdentity {
    std::string system_identifier;  // of the PostgreSQL cluster: another one after initdb or a logical restore
    std::string database;
    std::string installation;  // uuid of audit.installation: another one after uninstall and install; or see is_copy

    // The installation came along when this database was made from another one (a dump, a template).
    bool is_copy() const { return installation.starts_with("copied from "); }
    bool operator==(const SourceIdentity&) const = default;
};

}  // namespace eider
