// A JSON object or array, taken apart at its top level: what row_to_json writes, as slices of its text.
//
// Not a JSON library: numbers keep every digit (DuckDB's reader and nlohmann's make doubles of them, which loses those of
// a long numeric), and nothing is copied. Input is what PostgreSQL wrote, of any whitespace; anything else is refused,
// never read wrongly.
// Threads: free of state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace eider::lake {

enum class JsonKind { null, boolean, number, string, nested };

struct JsonValue {
    JsonKind kind = JsonKind::null;
    std::string_view text;     // number, boolean, nested: as written; string: between its quotes, escapes as written
    bool has_escapes = false;  // string
};

struct JsonField {
    std::string_view name;  // between its quotes
    bool name_has_escapes = false;
    JsonValue value;
};

// One value. False: not JSON.
bool read_json(std::string_view text, JsonValue& value);

// The fields of an object, into `fields` (cleared before). False: not an object.
bool read_object(std::string_view text, std::vector<JsonField>& fields);

// The elements of an array. False: not an array.
bool read_array(std::string_view text, std::vector<JsonValue>& elements);

// A string without its escapes; half a surrogate pair becomes U+FFFD. False: an escape that JSON does not have.
bool unescape(std::string_view text, std::string& out);

}  // namespace eider::lake
