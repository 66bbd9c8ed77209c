#include "cli/app.h"

int main(int argc, char** argv) {
    return eider::cli::run(argc, argv);
}
