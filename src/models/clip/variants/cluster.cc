#include "clip/variants/cluster.h"

#include <torch/types.h>

#include <algorithm>

namespace vtr::models {
namespace {

// Rows ids [n, K] of distances [n, N, N] -> [n, K, N]
Tensor rows_of(const Tensor& distances, const Tensor& ids) {
  return distances.gather(1, ids.unsqueeze(-1).expand({-1, -1, distances.size(2)}));
}

// [n, N, W] -> [n, N, N], all below zero and least on the diagonal, so that a sum over a cluster is
// below the nothing outside it and no point is nearer to its double than to itself.
Tensor negative_distances(const Tensor& x, bool shared) {
  const Tensor distances = at::cdist(x, x);
  const Tensor most = shared ? distances.amax() : distances.amax({1, 2}, /*keepdim=*/true);
  Tensor result = distances - most - 1;
  result.diagonal(0, 1, 2).sub_(1);
  return result;
}

// The longest point, then always the one farthest from those there are: [n, K].
Tensor kkz_start(const Tensor& x, const Tensor& distances, int64_t clusters) {
  Tensor next = x.norm(2, -1).argmax(1, /*keepdim=*/true);  // [n, 1]
  Tensor nearest = rows_of(distances, next).squeeze(1);     // [n, N]
  std::vector<Tensor> chosen{next};
  for (int64_t i = 1; i < clusters; ++i) {
    next = nearest.argmax(1, /*keepdim=*/true);
    nearest = at::minimum(nearest, rows_of(distances, next).squeeze(1));
    chosen.push_back(next);
  }
  return at::cat(chosen, 1);
}

// One step: points to their nearest medoid, then each cluster's best medoid. [n, K] -> [n, K]
Tensor moved(const Tensor& distances, const Tensor& medoids) {
  const Tensor cluster = rows_of(distances, medoids).argmin(1);           // [n, N]
  const Tensor together = cluster.unsqueeze(1).eq(cluster.unsqueeze(2));  // [n, N, N]
  const Tensor cost = (distances * together).sum(-1).unsqueeze(1);        // [n, 1, N]
  const Tensor index = at::arange(medoids.size(1), medoids.options()).view({-1, 1});
  return (cost * cluster.unsqueeze(1).eq(index)).argmin(-1);
}

Tensor medoids_of(const Tensor& x, const MedoidOptions& options) {
  const bool shared = options.together > 0;
  const Tensor distances = negative_distances(x, shared);
  Tensor medoids = kkz_start(x, distances, options.clusters);
  Tensor done = at::zeros({x.size(0), 1}, x.options().dtype(at::kBool));
  const auto points = [&](const Tensor& ids) {
    return x.gather(1, ids.unsqueeze(-1).expand({-1, -1, x.size(2)}));  // [n, K, W]
  };
  for (int64_t i = 0; i < options.iterations; ++i) {
    const Tensor next = at::where(done, medoids, moved(distances, medoids));
    Tensor move = (points(next) - points(medoids)).norm(2, -1).sum(1, /*keepdim=*/true);  // [n, 1]
    if (shared) move = move.mean().expand_as(done);
    medoids = next;
    done = done.logical_or(move.lt(options.threshold));
    if (done.is_meta() || done.all().item<bool>()) break;  // on meta there is no value to wait for
  }
  return std::get<0>(medoids.sort(1));
}

}  // namespace

Tensor k_medoids(const Tensor& x, const MedoidOptions& options) {
  const torch::NoGradGuard no_grad;
  if (options.together == 0) return medoids_of(x, options);
  std::vector<Tensor> parts;
  for (const Tensor& part : x.split(options.together)) parts.push_back(medoids_of(part, options));
  return at::cat(parts, 0);
}

// The K lowest eigenvectors of a symmetric matrix are the K last singular vectors of the authors'
// SVD; their signs and order change no distance between rows. In double, because neighbouring
// eigenvalues lie close.
Tensor spectral_embedding(const Tensor& x, int64_t clusters, const SpectralOptions& options) {
  const torch::NoGradGuard no_grad;
  const Tensor points = x.to(at::kDouble);
  const Tensor w =
      at::cdist(points, points).square().mul(-1 / (2 * options.sigma * options.sigma)).exp();
  const int64_t neighbours = std::min(options.neighbours, x.size(1));
  const Tensor least = std::get<0>(w.topk(neighbours, -1)).narrow(-1, neighbours - 1, 1);
  const Tensor near = w.ge(least);
  const Tensor graph = w * near.logical_or(near.transpose(1, 2));
  const Tensor scale = graph.sum(-1).rsqrt();  // [n, N]
  const Tensor laplacian =
      at::eye(x.size(1), points.options()) - scale.unsqueeze(2) * graph * scale.unsqueeze(1);
  const Tensor q = std::get<1>(at::linalg_eigh(laplacian)).narrow(-1, 0, clusters);
  return q / (q.norm(2, -1, /*keepdim=*/true) + 1e-6);
}

}  // namespace vtr::models
