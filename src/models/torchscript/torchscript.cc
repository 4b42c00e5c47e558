#include "encoder_entries.h"
#include "weights/torchscript_archive.h"

#include "vtr/core/error.h"
#include "vtr/models/device.h"
#include "vtr/models/weights/copy.h"

#include <torch/nn/module.h>
#include <torch/script.h>
#include <torch/types.h>

#include <cmath>

// Any image and text model exported as TorchScript: one module with encode_image and encode_text,
// or two modules with forward. A pair may return its pooled features [N, D], or a tuple of them and
// the features of every patch or token, [N, P, D].
namespace vtr::models {
namespace {

constexpr const char* kPath = "model.encoder";

struct TorchScriptOptions {
  std::string image, text;
  int64_t resolution = 0, width = 0, context = 0, vocab = 0, pad = 0;
  bool frozen = false;

  void fields(auto& f) {
    using config::at_least;
    f("image", image, "TorchScript file with encode_image or forward; empty: the weights file");
    f("text", text, "TorchScript file with encode_text or forward; empty: the image's file");
    f("resolution", resolution, "pixels of a frame's side; 0: the module's own, or probed",
      at_least(0));
    f("width", width, "width of the joint space; 0: probed", at_least(0));
    f("context", context, "tokens every text is padded to; 0: the module's own, or probed",
      at_least(0));
    f("vocab", vocab, "token ids; 0: the module's own, or unknown", at_least(0));
    f("pad", pad, "the id texts are padded with", at_least(0));
    f("frozen", frozen, "leave the modules' parameters as they are");
  }
};

// A method of a loaded module, with the file's name for errors.
struct Encoder {
  torch::jit::Module module;
  std::string method, path;

  // The pooled features and, where the module returns a pair, the others.
  std::pair<Tensor, Tensor> operator()(std::vector<c10::IValue> inputs) const {
    const c10::IValue out = module.get_method(method)(std::move(inputs));
    if (out.isTensor()) return {out.toTensor(), {}};
    const bool pair = out.isTuple() && out.toTupleRef().elements().size() == 2 &&
                      out.toTupleRef().elements()[0].isTensor() &&
                      out.toTupleRef().elements()[1].isTensor();
    VTR_CHECK(pair, "{}: {} returns neither a tensor nor a pair of tensors", path, method);
    return {out.toTupleRef().elements()[0].toTensor(), out.toTupleRef().elements()[1].toTensor()};
  }
  bool takes_mask() const {
    return module.get_method(method).num_inputs() >= 3;
  }  // self, ids, mask
  std::pair<Tensor, Tensor> text(const Tensor& ids, const Tensor& mask) const {
    return takes_mask() ? (*this)({ids, mask}) : (*this)({ids});
  }
};

// Training and the CPU want float32; a constant that the code casts to half stays what it is.
void to_float(torch::jit::Module& module) {
  const auto convert = [](const Tensor& tensor) {
    if (tensor.is_floating_point()) tensor.set_data(tensor.to(at::kFloat));
  };
  for (const auto& tensor : module.parameters()) convert(tensor);
  for (const auto& tensor : module.buffers()) convert(tensor);
}

Encoder method_of(const torch::jit::Module& module, const std::string& method,
                  const std::string& path) {
  if (module.find_method(method)) return {module, method, path};
  VTR_CHECK(module.find_method("forward"), "{}: has neither {} nor forward", path, method);
  return {module, "forward", path};
}

struct Pair {
  Encoder image, text;
  bool shared;  // one module is both
};

Pair open_pair(const TorchScriptOptions& options) {
  load_cuda();  // a module that runs before keeps the process from ever using it
  torch::jit::Module image = load_archive(options.image);
  to_float(image);
  if (options.image == options.text) {
    VTR_CHECK(image.find_method("encode_image") && image.find_method("encode_text"),
              "{}: has no encode_image and encode_text; give model.encoder.text its own file",
              options.image);
    return {method_of(image, "encode_image", options.image),
            method_of(image, "encode_text", options.image), true};
  }
  torch::jit::Module text = load_archive(options.text);
  to_float(text);
  return {method_of(image, "encode_image", options.image),
          method_of(text, "encode_text", options.text), false};
}

// A number the module itself states under one of the names; else 0.
int64_t stated(const torch::jit::Module& module, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (!module.hasattr(name)) continue;
    const c10::IValue value = module.attr(name);
    if (value.isInt()) return value.toInt();
    if (value.isTensor() && value.toTensor().numel() == 1) return value.toTensor().item<int64_t>();
  }
  return 0;
}

// Width of the features for one input, or 0 when the module fails on it.
template <class F>
int64_t width_of(F run) {
  try {
    const Tensor pooled = run();
    return pooled.dim() == 2 && pooled.size(0) == 1 ? pooled.size(1) : 0;
  } catch (const std::exception&) {
    return 0;
  }
}

int64_t image_width(const Encoder& image, int64_t side) {
  return width_of([&] { return image({at::zeros({1, 3, side, side})}).first; });
}

int64_t text_width(const Encoder& text, int64_t length, int64_t pad) {
  const Tensor ids = at::full({1, length}, pad, at::kLong);
  return width_of([&] { return text.text(ids, at::ones_like(ids, at::kBool)).first; });
}

// `value`, else what the module states, else the first candidate it accepts.
template <class F>
int64_t settle(int64_t value, int64_t said, std::initializer_list<int64_t> candidates, F accepts) {
  if (value > 0) return value;
  if (said > 0) return said;
  for (const int64_t candidate : candidates) {
    if (accepts(candidate) > 0) return candidate;
  }
  return 0;
}

void probe(TorchScriptOptions& options, const Pair& pair) {
  const torch::NoGradGuard no_grad;
  const auto& [image, text, shared] = pair;
  options.resolution = settle(
      options.resolution, stated(image.module, {"input_resolution", "image_size", "resolution"}),
      {224, 256, 288, 336, 384, 448, 512}, [&](int64_t side) { return image_width(image, side); });
  options.context =
      settle(options.context, stated(text.module, {"context_length", "context"}), {77, 64, 32},
             [&](int64_t n) { return text_width(text, n, options.pad); });
  if (options.vocab == 0) options.vocab = stated(text.module, {"vocab_size"});
  const int64_t width = options.resolution > 0 ? image_width(image, options.resolution) : 0;
  VTR_CHECK(width > 0,
            "{}: {} gives no [1, D] for a frame of side {}: set model.encoder.resolution",
            image.path, image.method, options.resolution);
  const int64_t words = options.context > 0 ? text_width(text, options.context, options.pad) : 0;
  VTR_CHECK(words > 0, "{}: {} gives no [1, D] for {} tokens: set model.encoder.context", text.path,
            text.method, options.context);
  VTR_CHECK(width == words && (options.width == 0 || options.width == width),
            "{}: images have {} features, texts {}, model.encoder.width is {}", image.path, width,
            words, options.width);
  options.width = width;
}

// Modules with the same tensors under the same names, so that the optimiser and `to` reach them.
std::shared_ptr<torch::nn::Module> mirror(const torch::jit::Module& source, bool frozen) {
  auto result = std::make_shared<torch::nn::Module>();
  for (const auto& item : source.named_parameters(/*recurse=*/false)) {
    result->register_parameter(item.name, item.value, /*requires_grad=*/!frozen);
  }
  for (const auto& item : source.named_buffers(/*recurse=*/false)) {
    result->register_buffer(item.name, item.value);
  }
  for (const auto& child : source.named_children()) {
    result->register_module(child.name, mirror(child.value, frozen));
  }
  return result;
}

class TorchScriptEncoders final : public Encoders {
 public:
  TorchScriptEncoders(const TorchScriptOptions& options, Pair pair)
      : options_(options), pair_(std::move(pair)) {
    const auto image = register_module(pair_.shared ? "model" : "image",
                                       mirror(pair_.image.module, options.frozen));
    if (!pair_.shared) register_module("text", mirror(pair_.text.module, options.frozen));
    const auto parameters = image->named_parameters(/*recurse=*/false);
    const Tensor* own = parameters.find("logit_scale");
    logit_scale_ =
        own ? *own : register_parameter("logit_scale", at::scalar_tensor(std::log(1 / 0.07)));
    logit_scale_.set_requires_grad(true);
    gives_ = given(c10::kCPU);
    train(is_training());
  }

  EncoderInfo info() const override {
    return {.width = options_.width,
            .resolution = options_.resolution,
            .context = options_.context,
            .vocab = options_.vocab,
            .gives = gives_};
  }

  TextFeatures encode_text(const Tensor& ids, const Tensor& mask, const Wanted& wanted) override {
    const int64_t length = ids.size(1), rest = options_.context - length;
    VTR_CHECK(rest >= 0, "texts of at most {} tokens are needed, got {}", options_.context, length);
    // Always to the full context: a fixed positional embedding needs it, and a pooled last token.
    const Tensor padded = at::constant_pad_nd(ids.masked_fill(mask.logical_not(), options_.pad),
                                              {0, rest}, options_.pad);
    const Tensor where = at::constant_pad_nd(mask, {0, rest}, false);
    const auto [pooled, tokens] = pair_.text.text(padded, where);
    VTR_CHECK(!wanted.tokens || tokens.defined(),
              "{}: gives no token features, which the head asks for", pair_.text.path);
    return {pooled, wanted.tokens ? tokens.narrow(1, 0, length) : Tensor(), mask};
  }

  VideoFeatures encode_video(const Tensor& pixels, const Tensor& mask,
                             const Wanted& wanted) override {
    const int64_t batch = pixels.size(0), frames = pixels.size(1);
    const auto [pooled, patches] = pair_.image({pixels.flatten(0, 1)});
    VTR_CHECK(!wanted.patches || patches.defined(),
              "{}: gives no patch features, which the head asks for", pair_.image.path);
    return {pooled.view({batch, frames, -1}),
            wanted.patches ? patches.unflatten(0, {batch, frames}) : Tensor(), mask};
  }

  Tensor logit_scale() override { return logit_scale_; }

  // A traced module may hold the device it was traced on, in constants that nothing moves.
  void to(c10::Device device, bool non_blocking = false) override {
    Encoders::to(device, non_blocking);
    if (device.is_cpu()) return;
    const bool training = is_training();
    train(false);
    try {
      given(device);
    } catch (const c10::Error& error) {
      refuse(device, error.what_without_backtrace());
    } catch (const std::exception& error) {  // the interpreter's
      refuse(device, error.what());
    }
    train(training);
  }

  void train(bool on = true) override {
    Encoders::train(on);
    pair_.image.module.train(on && !options_.frozen);
    pair_.text.module.train(on && !options_.frozen);
  }

 private:
  [[noreturn]] void refuse(c10::Device device, const std::string& why) const {
    throw Error(
        fmt::format("{}{}: does not run on {}; what was traced on another device may hold "
                    "it: script it, or trace it there: {}",
                    options_.image, pair_.shared ? "" : " or " + options_.text, device.str(), why));
  }

  Wanted given(c10::Device device) const {
    const torch::NoGradGuard no_grad;
    const at::TensorOptions here(device);
    const Tensor ids = at::full({1, options_.context}, options_.pad, here.dtype(at::kLong));
    const Tensor image = at::zeros({1, 3, options_.resolution, options_.resolution}, here);
    return {.tokens = pair_.text.text(ids, at::ones_like(ids, at::kBool)).second.defined(),
            .patches = pair_.image({image}).second.defined()};
  }

  TorchScriptOptions options_;
  Pair pair_;
  Wanted gives_;
  Tensor logit_scale_;
};

std::pair<TorchScriptOptions, Pair> open(const config::Node& node, const std::string& weights) {
  auto options = config::read<TorchScriptOptions>(node, kPath);
  if (options.image.empty()) options.image = weights;
  if (options.text.empty()) options.text = options.image;
  if (options.image.empty()) {
    throw Error(fmt::format("{}.image: a TorchScript file is needed", kPath));
  }
  Pair pair = open_pair(options);
  probe(options, pair);
  return {options, std::move(pair)};
}

}  // namespace

EncoderEntry torchscript_encoder() {
  return {"torchscript", "any TorchScript image and text model, as it is",
          config::schema<TorchScriptOptions>(),
          [](const config::Node& node, const std::string& weights) {
            return config::write(open(node, weights).first);
          },
          [](const config::Node& node, const std::string& weights) -> std::shared_ptr<Encoders> {
            auto [options, pair] = open(node, weights);
            return std::make_shared<TorchScriptEncoders>(options, std::move(pair));
          }};
}

}  // namespace vtr::models
