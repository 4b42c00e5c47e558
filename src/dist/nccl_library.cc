#include "nccl_library.h"

#include "vtr/core/error.h"

#include <dlfcn.h>

namespace vtr::dist {

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store,
                                            int64_t rank, int64_t size,
                                            std::chrono::milliseconds limit,
                                            const std::string& library) {
  void* loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);  // for good
  VTR_CHECK(loaded,
            "several processes on GPUs need {} beside the program, which is built where CUDA's and "
            "NCCL's headers are (device=cpu does without): {}",
            library, dlerror());
  auto* make = reinterpret_cast<MakeNccl*>(dlsym(loaded, "vtr_make_nccl"));
  VTR_CHECK(make, "{}: not a library of this program: {}", library, dlerror());
  c10::intrusive_ptr<c10d::Backend> backend;
  make(store, static_cast<int>(rank), static_cast<int>(size), limit, backend);
  return backend;
}

}  // namespace vtr::dist
