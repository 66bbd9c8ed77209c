// Any bytes as JSON: refused, or taken apart into slices that lie inside them, one after the other.
//
// The input is a string on the heap of its own length, so that the address sanitizer sees a byte read beyond it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "lake/json_row.h"

namespace {

using eider::lake::JsonField;
using eider::lake::JsonKind;
using eider::lake::JsonValue;

void check(bool holds) {
    if (!holds) std::abort();
}

// `part` lies in `text` behind `from`, which it moves.
void check_inside(std::string_view text, std::string_view part, const char*& from) {
    check(part.data() >= from && part.data() + part.size() <= text.data() + text.size());
    from = part.data() + part.size();
}

void check_string(std::string_view text, bool has_escapes) {
    std::string out;
    const bool is_right = eider::lake::unescape(text, out);
    check(has_escapes == (text.find('\\') != std::string_view::npos));
    check(has_escapes ? !is_right || out.size() < text.size() : is_right && out == text);
}

void check_value(const JsonValue& value) {
    if (value.kind == JsonKind::string) return check_string(value.text, value.has_escapes);
    // What stands there is the value, and reads as the same again.
    JsonValue again;
    check(!value.has_escapes && eider::lake::read_json(value.text, again));
    check(again.kind == value.kind && again.text == value.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<char> bytes(data, data + size);
    const std::string_view text(bytes.data(), bytes.size());
    const char* from = text.data();
    std::vector<JsonField> fields;
    if (eider::lake::read_object(text, fields)) {
        for (const JsonField& field : fields) {
            check_inside(text, field.name, from);
            check_string(field.name, field.name_has_escapes);
            check_inside(text, field.value.text, from);
            check_value(field.value);
        }
    }
    std::vector<JsonValue> elements;
    from = text.data();
    if (eider::lake::read_array(text, elements)) {
        check(fields.empty());
        for (const JsonValue& element : elements) {
            check_inside(text, element.text, from);
            check_value(element);
        }
    }
    JsonValue value;
    if (eider::lake::read_json(text, value)) check_value(value);
    std::string out;
    static_cast<void>(eider::lake::unescape(text, out));
    return 0;
}
