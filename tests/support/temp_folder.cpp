#include "support/temp_folder.h"

#include <cstdlib>
#include <stdexcept>

namespace eider::test {

TempFolder::TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "eider-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder like " + pattern);
    path_ = pattern;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace eider::test
