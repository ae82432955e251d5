// Runs a .tflite of many signatures through LiteRT's C API. Usage: litert_runner FILE REPEATS
// Reads from stdin, a text a line: its token count, then as many ids. Prints the logits, a line each;
// every inference but the last of REPEATS is for counting.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "litert.h"

static void check(int status, const char* what) {
  if (status != 0) {
    std::fprintf(stderr, "refused: %s, status %d\n", what, status);
    std::exit(1);
  }
}
#define CHECK(call) check(call, #call)

struct Signature {
  size_t index;
  std::vector<Handle> inputs;
  std::vector<bool> is_mask;
  Handle output;
};

int main(int, char** arguments) {
  const int repeats = std::atoi(arguments[2]);
  Handle environment, model, options, compiled;
  CHECK(LiteRtCreateEnvironment(0, nullptr, &environment));
  CHECK(LiteRtCreateModelFromFile(environment, arguments[1], &model));
  CHECK(LiteRtCreateOptions(&options));
  CHECK(LiteRtSetOptionsHardwareAccelerators(options, kCpu));
  CHECK(LiteRtCreateCompiledModel(environment, model, options, &compiled));

  std::map<int, Signature> by_length;
  size_t count;
  CHECK(LiteRtGetNumModelSignatures(model, &count));
  for (size_t index = 0; index < count; ++index) {
    Handle signature, tensor, requirements;
    const char* key;
    TensorType type;
    CHECK(LiteRtGetModelSignature(model, index, &signature));
    CHECK(LiteRtGetSignatureKey(signature, &key));
    Signature made{index, {nullptr, nullptr}, {}, nullptr};
    for (size_t input = 0; input < 2; ++input) {
      const char* name;
      CHECK(LiteRtGetSignatureInputName(signature, input, &name));
      made.is_mask.push_back(std::strcmp(name, "attention_mask") == 0);
      CHECK(LiteRtGetSignatureInputTensorByIndex(signature, input, &tensor));
      CHECK(LiteRtGetRankedTensorType(tensor, &type));
      CHECK(LiteRtGetCompiledModelInputBufferRequirements(compiled, index, input, &requirements));
      CHECK(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, requirements,
                                                            &made.inputs[input]));
    }
    CHECK(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor));
    CHECK(LiteRtGetRankedTensorType(tensor, &type));
    CHECK(LiteRtGetCompiledModelOutputBufferRequirements(compiled, index, 0, &requirements));
    CHECK(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, requirements,
                                                          &made.output));
    by_length[std::atoi(std::strchr(key, '_') + 1)] = made;  // length_N
  }

  int tokens;
  while (std::cin >> tokens) {
    std::vector<int32_t> ids(tokens);
    for (auto& id : ids) std::cin >> id;
    auto& [length, signature] = *by_length.lower_bound(tokens);
    for (size_t input = 0; input < 2; ++input) {
      void* address;
      CHECK(LiteRtLockTensorBuffer(signature.inputs[input], &address, kWrite));
      auto* row = static_cast<int32_t*>(address);
      for (int i = 0; i < length; ++i) {
        row[i] = i >= tokens ? 0 : signature.is_mask[input] ? 1 : ids[i];
      }
      CHECK(LiteRtUnlockTensorBuffer(signature.inputs[input]));
    }
    for (int repeat = 0; repeat < repeats; ++repeat) {
      CHECK(LiteRtRunCompiledModel(compiled, signature.index, 2, signature.inputs.data(), 1,
                                   &signature.output));
    }
    void* address;
    size_t bytes;
    CHECK(LiteRtGetTensorBufferPackedSize(signature.output, &bytes));
    CHECK(LiteRtLockTensorBuffer(signature.output, &address, kRead));
    for (size_t i = 0; i < bytes / sizeof(float); ++i) {
      std::printf("%.6f ", static_cast<float*>(address)[i]);
    }
    std::printf("\n");
    CHECK(LiteRtUnlockTensorBuffer(signature.output));
  }
}
