// The choice of tokens that stand for all of a segment: CenterCLIP's clusterings. Deterministic,
// and without gradients.
#pragma once

#include "vtr/core/tensor.h"

#include <cstdint>

namespace vtr::models {

struct MedoidOptions {
  int64_t clusters = 1;      // K
  int64_t iterations = 100;  // at most
  double threshold = 1e-6;   // stop when the medoids' moves sum to less
  int64_t together = 0;      // items that share one stop test (and offset of distances); 0: none do
};

// k-medoids from KKZ's start (Katsavounidis, Kuo and Zhang, 1994): x [n, N, W] -> the medoids'
// indices, ascending, [n, K].
Tensor k_medoids(const Tensor& x, const MedoidOptions& options);

struct SpectralOptions {
  double sigma = 2;
  int64_t neighbours = 5;  // of a token in the graph, itself among them
};

// The rows of the normalised Laplacian's K lowest eigenvectors, each of length 1: x [n, N, W]
// -> [n, N, K] float64.
Tensor spectral_embedding(const Tensor& x, int64_t clusters, const SpectralOptions& options);

}  // namespace vtr::models
