# Every library vtr uses, found on the system or in the project's venv; nothing is fetched here.
# What each is for, its pinned version and licence: third_party/README.md.
find_package(Threads REQUIRED)
find_package(Python3 COMPONENTS Interpreter REQUIRED)
find_package(fmt REQUIRED)
# LibTorch's include folder carries another fmt: the system's, which spdlog is built with, goes first.
find_path(VTR_FMT_INCLUDE fmt/format.h PATHS /usr/include NO_DEFAULT_PATH REQUIRED)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include)
file(CREATE_LINK ${VTR_FMT_INCLUDE}/fmt ${PROJECT_BINARY_DIR}/include/fmt SYMBOLIC)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(turbojpeg REQUIRED IMPORTED_TARGET libturbojpeg)
add_library(SentencePiece::sentencepiece ALIAS PkgConfig::sentencepiece)
add_library(utf8proc::utf8proc ALIAS PkgConfig::utf8proc)
add_library(xxHash::xxhash ALIAS PkgConfig::xxhash)
add_library(TurboJPEG::turbojpeg ALIAS PkgConfig::turbojpeg)
# LibTorch carries Gloo but not its headers, which the header of its process group includes.
find_path(VTR_GLOO_INCLUDE gloo/context.h REQUIRED)
if(VTR_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()

pkg_check_modules(ffmpeg REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
add_library(FFmpeg::video ALIAS PkgConfig::ffmpeg)

# Of OpenCV only what draws is linked: its codecs would load a hundred libraries, its GUI more.
find_package(OpenCV REQUIRED COMPONENTS core imgproc)
add_library(vtr_opencv INTERFACE)
target_link_libraries(vtr_opencv INTERFACE opencv_core opencv_imgproc)
target_include_directories(vtr_opencv SYSTEM INTERFACE ${OpenCV_INCLUDE_DIRS})
add_library(OpenCV::images ALIAS vtr_opencv)

# LibTorch from the wheel of PyPI. Its own CMake files insist on a CUDA toolkit for a CUDA wheel, so
# its two CPU libraries are linked by hand; CUDA is loaded at run time (src/core/device.cc).
file(GLOB VTR_VENV_TORCH ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
set(VTR_TORCH "${VTR_VENV_TORCH}" CACHE PATH "The folder `torch` of the unpacked wheel")
if(NOT EXISTS ${VTR_TORCH}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "no LibTorch at '${VTR_TORCH}': run scripts/setup.sh, or pass -DVTR_TORCH=<.../torch>")
endif()
add_library(LibTorch::c10 SHARED IMPORTED)
set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${VTR_TORCH}/lib/libc10.so)
add_library(LibTorch::torch SHARED IMPORTED)
# The wheel is built with NDEBUG, without which some of its classes have a member more.
set_target_properties(LibTorch::torch PROPERTIES
  IMPORTED_LOCATION ${VTR_TORCH}/lib/libtorch_cpu.so
  INTERFACE_INCLUDE_DIRECTORIES "${VTR_TORCH}/include;${VTR_TORCH}/include/torch/csrc/api/include"
  INTERFACE_COMPILE_DEFINITIONS NDEBUG
  INTERFACE_LINK_LIBRARIES "LibTorch::c10;Threads::Threads;${CMAKE_DL_LIBS}"
  INTERFACE_LINK_OPTIONS LINKER:--allow-shlib-undefined)
file(GLOB VTR_NVIDIA_LIBS ${VTR_TORCH}/../nvidia/*/lib)
set(CMAKE_BUILD_RPATH $ORIGIN ${VTR_TORCH}/lib ${VTR_NVIDIA_LIBS})

# For the library that speaks NCCL, where the headers are: of the CUDA wheels, which LibTorch was
# built with, or of a toolkit.
if(VTR_CUDA)
  set(wheels ${VTR_TORCH}/../nvidia)
  find_path(VTR_CUDA_INCLUDE cublas_v2.h HINTS ${wheels}/cu13/include /usr/local/cuda/include)
  find_path(VTR_NCCL_INCLUDE nccl.h HINTS ${wheels}/nccl/include /usr/local/cuda/include)
  if(VTR_CUDA_INCLUDE AND VTR_NCCL_INCLUDE AND EXISTS ${VTR_TORCH}/lib/libtorch_cuda.so)
    add_library(LibTorch::nccl INTERFACE IMPORTED)
    target_include_directories(LibTorch::nccl SYSTEM INTERFACE ${VTR_CUDA_INCLUDE} ${VTR_NCCL_INCLUDE})
    target_link_libraries(LibTorch::nccl INTERFACE LibTorch::torch
      ${VTR_TORCH}/lib/libtorch_cuda.so ${VTR_TORCH}/lib/libc10_cuda.so)
  else()
    message(STATUS "no headers of CUDA and NCCL: built without libvtr_nccl.so (several GPUs at once)")
  endif()
endif()
