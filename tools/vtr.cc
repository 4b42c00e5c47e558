#include "vtr/cli/cli.h"

int main(int argc, char** argv) { return vtr::cli::main(argc, argv); }
