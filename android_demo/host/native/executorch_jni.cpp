// The double's engine: the real ExecuTorch of the Python wheel. See host/doubles/executorch.
#include <jni.h>

#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/backend/options.h>

// Exported by libexecutorch_threadpool, whose header the wheel leaves out.
namespace executorch::extension::threadpool {
struct ThreadPool {
  bool _unsafe_reset_threadpool(unsigned threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

using executorch::extension::from_blob;
using executorch::extension::Module;
using executorch::extension::TensorPtr;
using executorch::runtime::BackendOptions;
using executorch::runtime::Error;
using executorch::runtime::Program;

static void fail(JNIEnv* env, const char* what, Error error) {
  const auto message = std::string(what) + ", error " + std::to_string(static_cast<int>(error));
  env->ThrowNew(env->FindClass("java/lang/RuntimeException"), message.c_str());
}

// As the Android library is built (tools/cmake/preset/android.cmake); the wheel has both off.
static Error configure_as_on_android() {
  BackendOptions<2> options;
  options.set_option("weight_cache_enabled", true);
  options.set_option("workspace_sharing_mode", 2);  // one for all models of the process
  return executorch::runtime::set_option("XnnpackBackend", options.view());
}

extern "C" JNIEXPORT jlong JNICALL
Java_org_pytorch_executorch_Module_load(JNIEnv* env, jclass, jstring path, jint threads) {
  static const bool once [[maybe_unused]] =  // again, with a model loaded, would end the process
      executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(threads);
  static const Error configured = configure_as_on_android();
  if (configured != Error::Ok) {
    fail(env, "cannot configure XNNPACK", configured);
    return 0;
  }
  const char* name = env->GetStringUTFChars(path, nullptr);
  auto* module = new Module(name);
  env->ReleaseStringUTFChars(path, name);
  const auto loaded = module->load(Program::Verification::InternalConsistency);
  const auto method = loaded == Error::Ok ? module->load_forward() : loaded;
  if (method == Error::Ok) return reinterpret_cast<jlong>(module);
  delete module;
  fail(env, "cannot load", method);
  return 0;
}

extern "C" JNIEXPORT jfloatArray JNICALL Java_org_pytorch_executorch_Module_forward(
    JNIEnv* env, jclass, jlong handle, jobjectArray buffers, jint length) {
  std::vector<TensorPtr> tensors;
  for (jsize i = 0; i < env->GetArrayLength(buffers); ++i) {
    void* address = env->GetDirectBufferAddress(env->GetObjectArrayElement(buffers, i));
    tensors.push_back(from_blob(address, {1, length}, executorch::aten::ScalarType::Long));
  }
  auto outputs = reinterpret_cast<Module*>(handle)->forward({tensors[0], tensors[1]});
  if (!outputs.ok()) {
    fail(env, "forward", outputs.error());
    return nullptr;
  }
  const auto logits = outputs->at(0).toTensor();
  auto result = env->NewFloatArray(logits.numel());
  env->SetFloatArrayRegion(result, 0, logits.numel(), logits.const_data_ptr<float>());
  return result;
}

extern "C" JNIEXPORT void JNICALL
Java_org_pytorch_executorch_Module_destroy(JNIEnv*, jclass, jlong handle) {
  delete reinterpret_cast<Module*>(handle);
}
