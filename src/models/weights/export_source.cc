#include "weights/export_source.h"

#include "clip/clip.h"

#include <fmt/format.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

namespace vtr::models {
namespace {

// A scalar type is a number in TorchScript's own text: 4 int64, 6 float32.
constexpr const char* kNorm = R"(
def forward(self, x: Tensor) -> Tensor:
  return torch.layer_norm(x.to(6), [{}], self.weight, self.bias, {}).to(x.dtype)
)";

constexpr const char* kLinear = R"(
def forward(self, x: Tensor) -> Tensor:
  return torch.linear(x, self.weight, self.bias)
)";

constexpr const char* kAttention = R"(
def forward(self, x: Tensor, causal: bool) -> Tensor:
  qkv = torch.linear(x, self.in_proj_weight, self.in_proj_bias)
  parts = torch.unbind(qkv.view([x.size(0), x.size(1), 3, {}, -1]), 2)
  q = torch.transpose(parts[0], 1, 2)
  k = torch.transpose(parts[1], 1, 2)
  v = torch.transpose(parts[2], 1, 2)
  y = torch.scaled_dot_product_attention(q, k, v, None, 0., causal)
  return self.out_proj.forward(torch.reshape(torch.transpose(y, 1, 2), x.size()))
)";

constexpr const char* kQuickGeluMlp = R"(
def forward(self, x: Tensor) -> Tensor:
  h = self.c_fc.forward(x)
  return self.c_proj.forward(h * torch.sigmoid(h * 1.702))
)";

constexpr const char* kGeluMlp = R"(
def forward(self, x: Tensor) -> Tensor:
  return self.c_proj.forward(torch.gelu(self.c_fc.forward(x)))
)";

constexpr const char* kBlock = R"(
def forward(self, x: Tensor, causal: bool) -> Tensor:
  x = x + self.attn.forward(self.ln_1.forward(x), causal)
  return x + self.mlp.forward(self.ln_2.forward(x))
)";

constexpr const char* kVision = R"(
def forward(self, image: Tensor) -> Tensor:
  weight = self.conv1.weight
  x = torch.conv2d(image.to(weight.dtype), weight, None, [weight.size(2), weight.size(2)])
  x = torch.transpose(torch.flatten(x, 2), 1, 2)
  x = torch.cat([self.class_embedding.expand([x.size(0), 1, -1]), x], 1)
  x = self.ln_pre.forward(x + self.positional_embedding)
  x = self.transformer.forward(x, False)
  return torch.matmul(self.ln_post.forward(torch.select(x, 1, 0)), self.proj)
)";

// OpenAI's encode_text finds the end token as the largest id; with a mask it is the last true one.
constexpr const char* kClip = R"(
def encode_image(self, image: Tensor) -> Tensor:
  return self.visual.forward(image)

def encode_text(self, text: Tensor, mask: Optional[Tensor]=None) -> Tensor:
  length = text.size(1)
  x = torch.embedding(self.token_embedding.weight, text) + self.positional_embedding[:length]
  x = self.ln_final.forward(self.transformer.forward(x, True))
  if mask is None:
    ends = torch.argmax(text, 1)
  else:
    ends = torch.argmax(mask.to(4) * torch.arange(1, length + 1, device=text.device), 1)
  rows = torch.arange(text.size(0), device=text.device)
  return torch.matmul(x[rows, ends], self.text_projection)

def forward(self, image: Tensor, text: Tensor) -> Tuple[Tensor, Tensor]:
  a = self.encode_image(image)
  b = self.encode_text(text)
  a = a / torch.norm(a, 2, [1], True)
  b = b / torch.norm(b, 2, [1], True)
  logits = torch.exp(self.logit_scale).to(a.dtype) * torch.matmul(a, torch.t(b))
  return (logits, torch.t(logits))
)";

std::string transformer_source(size_t layers) {
  std::string source = "def forward(self, x: Tensor, causal: bool) -> Tensor:\n";
  for (size_t i = 0; i < layers; ++i) {
    source += fmt::format("  x = getattr(self.resblocks, \"{}\").forward(x, causal)\n", i);
  }
  return source + "  return x\n";
}

}  // namespace

std::string export_source(const torch::nn::Module& module) {
  if (const auto* norm = dynamic_cast<const torch::nn::LayerNormImpl*>(&module)) {
    return fmt::format(kNorm, norm->weight.numel(), norm->options.eps());
  }
  if (const auto* attention = dynamic_cast<const ClipAttention*>(&module)) {
    return fmt::format(kAttention, attention->heads());
  }
  if (const auto* mlp = dynamic_cast<const ClipMlp*>(&module)) {
    return mlp->activation() == ClipActivation::gelu ? kGeluMlp : kQuickGeluMlp;
  }
  if (const auto* transformer = dynamic_cast<const ClipTransformer*>(&module)) {
    return transformer_source(transformer->blocks().size());
  }
  if (dynamic_cast<const ClipLinear*>(&module)) return kLinear;
  if (dynamic_cast<const ClipBlock*>(&module)) return kBlock;
  if (dynamic_cast<const ClipVision*>(&module)) return kVision;
  if (dynamic_cast<const Clip*>(&module)) return kClip;
  return "";
}

}  // namespace vtr::models
