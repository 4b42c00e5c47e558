// A sweep's folder: sweep.yaml, and of each cell the experiment it was begun as (.yaml), its run,
// what its processes said (.log) and its figures (.json).
//
//   check_rerun(request);   // before the folder is made
//   check_folder(request);  // with the folder locked; nothing is changed yet
//   open_folder(request);
#pragma once

#include "vtr/sweep/sweep.h"

namespace vtr::sweep {

// `extension` "": the run.
fs::path file_of(const fs::path& folder, const Cell& cell, const char* extension);

// Throws Error for a --rerun that is no cell.
void check_rerun(const Request& request);
// Throws Error for a folder of something else, and for a cell that was begun as another experiment
// and is not rerun: it is never taken for this one.
void check_folder(const Request& request);
// Throws away what is rerun, and writes down what is begun.
void open_folder(const Request& request);

// The request's cells, each variant's followed by those that are finished in the folder and differ
// from them in the seed alone.
std::vector<Cell> with_finished(const Request& request);

}  // namespace vtr::sweep
