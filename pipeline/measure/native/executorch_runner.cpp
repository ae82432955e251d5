// Runs a .pte from C++, with nothing of Python or libtorch: what an app's native layer does.
// Usage: executorch_runner FILE REPEATS
// Reads from stdin, a text a line: its token count, then as many ids. Prints the logits, a line each;
// every inference but the last of REPEATS is for counting.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

// Exported by libexecutorch_threadpool, whose header the wheel leaves out.
namespace executorch::extension::threadpool {
struct ThreadPool {
  bool _unsafe_reset_threadpool(unsigned threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

using executorch::extension::from_blob;
using executorch::extension::Module;
using executorch::runtime::Program;

int main(int, char** arguments) {
  const int repeats = std::atoi(arguments[2]);
  // One thread: fastest for a small student, and counts repeat. Later it would end the process.
  executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(1);
  Module module(arguments[1]);
  // The default, Minimal, lets a damaged header kill the process.
  auto loaded = module.load(Program::Verification::InternalConsistency);
  if (loaded != executorch::runtime::Error::Ok) {
    std::fprintf(stderr, "refused: error %d\n", static_cast<int>(loaded));
    return 1;
  }
  int count;
  while (std::cin >> count) {
    std::vector<int64_t> ids(count), mask(count, 1);
    for (auto& id : ids) std::cin >> id;
    auto shape = std::vector<int>{1, count};
    auto type = executorch::aten::ScalarType::Long;
    auto inputs = {from_blob(ids.data(), shape, type), from_blob(mask.data(), shape, type)};
    for (int repeat = 1; repeat < repeats; ++repeat) {
      if (!module.forward({inputs.begin()[0], inputs.begin()[1]}).ok()) return 2;
    }
    auto outputs = module.forward({inputs.begin()[0], inputs.begin()[1]});
    if (!outputs.ok()) return 2;
    auto logits = outputs->at(0).toTensor();
    for (int i = 0; i < logits.numel(); ++i) std::printf("%.6f ", logits.const_data_ptr<float>()[i]);
    std::printf("\n");
  }
}
