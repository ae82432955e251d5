// Runs a .pte from C++, with nothing of Python or libtorch: what an app's native layer does.
// Reads from stdin, a text a line: its token count, then as many ids. Prints the logits, a line each.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

using executorch::extension::from_blob;
using executorch::extension::Module;
using executorch::runtime::Program;

int main(int, char** arguments) {
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
    auto outputs = module.forward(
        {from_blob(ids.data(), shape, type), from_blob(mask.data(), shape, type)});
    if (!outputs.ok()) return 2;
    auto logits = outputs->at(0).toTensor();
    for (int i = 0; i < logits.numel(); ++i) std::printf("%.6f ", logits.const_data_ptr<float>()[i]);
    std::printf("\n");
  }
}
