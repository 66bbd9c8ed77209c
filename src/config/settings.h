// The one table of all keys: name, variable, default, description, and how a value gets into the struct.
// Threads: constant.
#pragma once

#include <span>

#include "config/config.h"
#include "config/value.h"

namespace eider {

struct Setting {
    SettingInfo info;
    void (*set)(Config&, const Value&);  // nullptr for `table`, whose rules config.cpp reads

    // "lake.data_path", "source".
    std::string key() const;
};

std::span<const Setting> setting_table();

// nullptr if there is none.
const Setting* find_setting(std::string_view key);

}  // namespace eider
