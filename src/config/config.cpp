#include "config/config.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "config/settings.h"
#include "config/toml.h"
#include "config/value.h"

namespace eider {
namespace {

namespace fs = std::filesystem;

// Variables of eider that are not configuration: read where they are used.
const std::vector<std::string> other_variables{"EIDER_BIN",    "EIDER_CONFIG", "EIDER_CRASH_AT", "EIDER_LOG",
                                               "EIDER_PG_BIN", "EIDER_PYTHON", "EIDER_ROOT"};

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string near = closest(word, candidates);
    return near.empty() ? std::string() : fmt::format("did you mean \"{}\"?", near);
}

std::vector<std::string> keys_of_section(std::string_view section) {
    std::vector<std::string> keys;
    for (const auto& setting : setting_table()) {
        if (setting.info.section == section) keys.emplace_back(setting.info.name);
    }
    return keys;
}

std::vector<std::string> section_names() {
    std::vector<std::string> names;
    for (const auto& setting : setting_table()) {
        const std::string section(setting.info.section);
        if (!section.empty() && std::find(names.begin(), names.end(), section) == names.end()) names.push_back(section);
    }
    return names;
}

// The section that has a key of this name, for a key that stands in the wrong one.
std::string hint_for_unknown(std::string_view name, std::string_view section) {
    std::vector<std::string> here = keys_of_section(section);
    if (section.empty()) {
        const auto sections = section_names();
        here.insert(here.end(), sections.begin(), sections.end());
    }
    for (const auto& setting : setting_table()) {
        if (setting.info.name == name && setting.info.section != section) {
            return setting.info.section.empty()
                       ? fmt::format("it belongs to the top of the file, before the first [section]")
                       : fmt::format("it belongs under [{}]", setting.info.section);
        }
    }
    return did_you_mean(name, here);
}

// Reads one TOML document into a Config: the file, or the rules of the environment.
class Reader {
public:
    Reader(Config& config, std::string name, fs::path folder)
        : config_(config), name_(std::move(name)), folder_(std::move(folder)) {}

    void read(const toml::table& document) {
        const auto sections = section_names();
        for (const auto& [key, node] : document) {
            const std::string name(key.str());
            if (name == "table") read_rules(node);
            else if (std::find(sections.begin(), sections.end(), name) != sections.end()) read_section(name, node);
            else read_setting("", key, node);
        }
    }

    void read_rules(const toml::node& node) {
        if (!node.is_array_of_tables()) {
            if (node.is_array() && node.as_array()->empty()) return;
            fail_at(place("[[table]]", node), "must be a list of tables", "write [[table]] with two brackets");
        }
        for (const toml::node& item : *node.as_array()) add_rule(*item.as_table());
    }

private:
    std::string position(const toml::source_region& region) const {
        return numbered_ ? fmt::format("{}:{}", name_, region.begin.line) : name_;
    }
    Place place(std::string_view name, const toml::node& node) const {
        return {position(node.source()), std::string(name)};
    }

    void read_section(const std::string& section, const toml::node& node) {
        if (!node.is_table()) {
            fail_at(place(section, node), "is a section, not a value",
                    fmt::format("write [{}] on a line of its own", section));
        }
        for (const auto& [key, value] : *node.as_table()) read_setting(section, key, value);
    }

    void read_setting(const std::string& section, const toml::key& key, const toml::node& node) {
        const std::string name(key.str());
        const Setting* setting = find_setting(section.empty() ? name : section + "." + name);
        if (setting == nullptr || setting->set == nullptr) {
            const std::string_view what = node.is_table() && section.empty() ? "section" : "key";
            const std::string in = section.empty() ? "" : fmt::format(" in [{}]", section);
            fail_unknown(key, what, in, hint_for_unknown(name, section));
        }
        setting->set(config_, Value({position(key.source()), fmt::format("\"{}\"", name)}, node, folder_));
    }

    [[noreturn]] void fail_unknown(const toml::key& key, std::string_view what, std::string_view in,
                                   std::string hint) const {
        throw Error(ErrorKind::config,
                    redact(fmt::format("{}: unknown {} \"{}\"{}", position(key.source()), what, key.str(), in)),
                    std::move(hint));
    }

    void add_rule(const toml::table& table) {
        TableRule rule;
        rule.origin = position(table.source());
        const toml::node* match = table.get("match");
        if (match == nullptr) {
            throw Error(ErrorKind::config, fmt::format("{}: this [[table]] has no \"match\"", rule.origin),
                        "say which tables it is about: match = \"shop.orders\" or match = \"shop.*\"");
        }
        for (const auto& [key, node] : table) set_rule_key(rule, key, node);
        for (const auto& other : config_.rules) {
            if (other.match == rule.match) {
                throw Error(ErrorKind::config,
                            fmt::format("{}: there is already a [[table]] for '{}', at {}", rule.origin,
                                        rule.match.text(), other.origin),
                            "put both into one");
            }
        }
        config_.rules.push_back(std::move(rule));
    }

    void set_rule_key(TableRule& rule, const toml::key& key, const toml::node& node) const {
        const std::string_view name = key.str();
        const Value value({position(key.source()), fmt::format("\"{}\"", name)}, node, folder_);
        if (name == "match") rule.match = match_pattern(value, position(node.source()));
        else if (name == "exclude") rule.exclude = value.texts();
        else if (name == "hash") rule.hash = value.texts();
        else if (name == "where") rule.where = where_text(value);
        else if (name == "before") rule.before = value.boolean();
        else if (name == "context") rule.context = value.boolean();
        else if (name == "always") rule.always = value.boolean();
        else if (name == "mirror") rule.mirror = value.boolean();
        else
            fail_unknown(
                key, "key", " in [[table]]",
                did_you_mean(name, {"match", "exclude", "hash", "where", "before", "context", "always", "mirror"}));
    }

    static TablePattern match_pattern(const Value& value, const std::string& where) {
        const std::string text = value.text();
        try {
            return TablePattern::parse(text, where);
        } catch (const Error& error) {
            throw Error(ErrorKind::config, redact(fmt::format("{}: {}", where, error.what())), error.hint());
        }
    }

    static std::string where_text(const Value& value) {
        const std::string text(trim(value.text()));
        if (text.empty()) value.fail("is empty", "leave it out to capture every row");
        return text;
    }

public:
    // Whether positions have a line: not for a text of one line out of the environment.
    void without_lines() { numbered_ = false; }

private:
    Config& config_;
    std::string name_;
    fs::path folder_;
    bool numbered_ = true;
};

// TOML allows no control characters but tabs and line ends; toml++ 3.3.0 asserts on some of them in a key.
void refuse_control_characters(std::string_view text, const std::string& name, bool numbered) {
    std::int64_t line = 1;
    for (const char c : text) {
        if (c == '\n') ++line;
        const auto byte = static_cast<unsigned char>(c);
        if ((byte >= 0x20 && byte != 0x7f) || c == '\n' || c == '\r' || c == '\t') continue;
        const std::string where = numbered ? fmt::format("{}:{}", name, line) : name;
        throw Error(ErrorKind::config, fmt::format("{}: there is a control character (byte {:#04x})", where, byte),
                    "the file must be plain text in UTF-8");
    }
}

toml::table parse_toml(std::string_view text, const std::string& name, bool numbered) {
    refuse_control_characters(text, name, numbered);
    try {
        return toml::parse(text, name);
    } catch (const toml::parse_error& error) {
        const std::string where = numbered ? fmt::format("{}:{}", name, error.source().begin.line) : name;
        throw Error(ErrorKind::config, redact(fmt::format("{}: {}", where, error.description())),
                    "texts stand in quotes, lists in brackets, true and false alone; see https://toml.io");
    }
}

void read_rules_from_environment(Config& config, const std::string& text, const fs::path& folder) {
    const std::string name = "EIDER_TABLE_RULES";
    const toml::table document = parse_toml("table = " + text + "\n", name, false);
    if (document.size() != 1)
        throw Error(ErrorKind::config, name + ": holds more than rules", "write [{match = \"shop.*\"}]");
    config.rules.clear();
    Reader reader(config, name, folder);
    reader.without_lines();
    reader.read_rules(*document.get("table"));
}

void apply_environment(Config& config, const Environment& environment, const fs::path& folder) {
    std::vector<std::string> known = other_variables;
    for (const auto& setting : setting_table()) {
        const std::string name(setting.info.env);
        known.push_back(name);
        const auto found = environment.find(name);
        // An empty variable is one that is not set, as for libpq: CI systems often cannot unset one.
        if (found == environment.end() || found->second.empty()) continue;
        if (setting.set != nullptr) setting.set(config, Value({"", name}, found->second, folder));
        else read_rules_from_environment(config, found->second, folder);
    }
    for (const auto& [name, value] : environment) {
        if (!name.starts_with("EIDER_") || std::find(known.begin(), known.end(), name) != known.end()) continue;
        const std::string near = closest(name, known);
        if (!near.empty())
            config.warnings.push_back(
                fmt::format("the variable {} means nothing to eider; did you mean {}?", name, near));
    }
}

void apply_flags(Config& config, const std::vector<FlagValue>& flags, const fs::path& folder) {
    for (const auto& flag : flags) {
        const Setting* setting = find_setting(flag.key);
        if (setting == nullptr || setting->set == nullptr) {
            throw Error(ErrorKind::internal, fmt::format("the flag {} sets an unknown key {}", flag.flag, flag.key));
        }
        setting->set(config, Value({"", flag.flag}, flag.value, folder));
    }
}

void refuse_audit(const std::vector<TablePattern>& patterns) {
    for (const auto& pattern : patterns) {
        if (!pattern.is_exact() || !is_system_schema(pattern.schema())) continue;
        throw Error(ErrorKind::config,
                    fmt::format("{}: '{}' is in a schema that eider does not capture", pattern.where(), pattern.text()),
                    "system schemas and eider's own schema audit are left out always");
    }
}

void add_unique(std::vector<std::string>& list, const std::vector<std::string>& more) {
    for (const auto& item : more) {
        if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
    }
}

std::string read_file(const fs::path& file) {
    std::error_code error;
    if (fs::is_directory(file, error))
        throw Error(ErrorKind::config, fmt::format("{} is a folder", file.string()), "name the file in it");
    std::ifstream in(file, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) throw Error(ErrorKind::config, fmt::format("{} cannot be read", file.string()), "look at its permissions");
    return text;
}

void warn_of_open_file(Config& config, const fs::path& file, std::string_view text) {
    struct stat status {};
    if (!has_password(text) || ::stat(file.c_str(), &status) != 0 || (status.st_mode & 077) == 0) return;
    config.warnings.push_back(
        fmt::format("{} holds a password and others may read it: chmod 600 {}", file.string(), file.string()));
}

}  // namespace

bool is_system_schema(std::string_view schema) {
    return schema.starts_with("pg_") || schema == "information_schema" || schema == "audit";
}

bool Config::captures(std::string_view schema, std::string_view table) const {
    if (is_system_schema(schema)) return false;
    if (lake.catalog.kind == CatalogKind::source && schema == lake.catalog_schema) return false;
    const auto matches = [&](const TablePattern& pattern) { return pattern.matches(schema, table); };
    return std::any_of(capture.tables.begin(), capture.tables.end(), matches) &&
           std::none_of(capture.exclude.begin(), capture.exclude.end(), matches);
}

bool Config::mirrors(std::string_view schema, std::string_view table) const {
    bool wanted = lake.mirror;
    for (const auto& rule : rules) {
        if (rule.mirror && rule.match.matches(schema, table)) wanted = *rule.mirror;
    }
    return wanted;
}

bool Config::keeps_mirrors() const {
    return lake.mirror ||
           std::any_of(rules.begin(), rules.end(), [](const TableRule& rule) { return rule.mirror == true; });
}

TableOptions Config::options_for(std::string_view schema, std::string_view table) const {
    TableOptions options;
    for (const auto& rule : rules) {
        if (!rule.match.matches(schema, table)) continue;
        add_unique(options.exclude, rule.exclude);
        add_unique(options.hash, rule.hash);
        if (rule.where) options.where = *rule.where;
        if (rule.before) options.before = *rule.before;
        if (rule.context) options.context = *rule.context;
        if (rule.always) options.always = *rule.always;
        if (!rule.exclude.empty() || !rule.hash.empty() || rule.where) options.origins.push_back(rule.origin);
    }
    std::erase_if(options.hash, [&](const std::string& column) {
        return std::find(options.exclude.begin(), options.exclude.end(), column) != options.exclude.end();
    });
    return options;
}

const std::string& Config::required_source() const {
    if (!source.empty()) return source;
    throw Error(
        ErrorKind::config, "no source database is named",
        "run `eider init postgresql://...`, set EIDER_SOURCE, or put source = \"postgresql://...\" into eider.toml");
}

Environment eider_environment() {
    Environment out;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos && text.starts_with("EIDER_"))
            out.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return out;
}

Config parse_config(std::string_view text, const fs::path& file, const Environment& environment,
                    const std::vector<FlagValue>& flags, const fs::path& working_folder) {
    const fs::path folder = (working_folder / file).parent_path();
    Config config;
    config.file = file;
    config.lake.data_path = ((file.empty() ? working_folder : folder) / "lake").lexically_normal().string();
    config.capture.tables = {TablePattern::parse("*.*")};
    Reader(config, file.string(), folder).read(parse_toml(text, file.string(), true));
    apply_environment(config, environment, working_folder);
    apply_flags(config, flags, working_folder);
    refuse_audit(config.capture.tables);
    if (config.capture.tables.empty()) {
        throw Error(ErrorKind::config, "\"tables\" of [capture] is empty: nothing would be captured",
                    "leave it out to capture every table");
    }
    return config;
}

Config load_config(const fs::path& file, bool file_must_exist, const Environment& environment,
                   const std::vector<FlagValue>& flags) {
    const fs::path working_folder = fs::current_path();
    std::error_code error;
    if (!fs::exists(file, error)) {
        if (file_must_exist) {
            throw Error(ErrorKind::config, fmt::format("there is no file {}", file.string()),
                        "`eider init postgresql://...` writes one");
        }
        // Relative paths mean the same as they will once the file is there.
        Config config = parse_config("", file, environment, flags, working_folder);
        config.file.clear();
        return config;
    }
    const std::string text = read_file(file);
    Config config = parse_config(text, file, environment, flags, working_folder);
    warn_of_open_file(config, file, text);
    return config;
}

}  // namespace eider
