// The double's engine: the real LiteRT of the Python wheel. See host/doubles/litert.
#include <jni.h>

#include <cstring>
#include <string>
#include <vector>

#include "litert.h"

struct Model {
  Handle environment = nullptr, model = nullptr, options = nullptr, compiled = nullptr;
};

struct Failure {
  int status;
  const char* what;
};
static void check(int status, const char* what) {
  if (status != 0) throw Failure{status, what};
}
#define CHECK(call) check(call, #call)

// Runs `body`; a status that is not 0 becomes a LiteRtException.
template <typename Body>
static auto guarded(JNIEnv* env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Failure& failure) {
    const auto type = env->FindClass("com/google/ai/edge/litert/LiteRtException");
    const auto make = env->GetMethodID(type, "<init>", "(ILjava/lang/String;)V");
    const auto what = env->NewStringUTF(std::string(failure.what, strcspn(failure.what, "(")).c_str());
    env->Throw(static_cast<jthrowable>(env->NewObject(type, make, failure.status, what)));
    return decltype(body())();
  }
}

static std::string text(JNIEnv* env, jstring value) {
  const char* chars = env->GetStringUTFChars(value, nullptr);
  std::string copy = chars;
  env->ReleaseStringUTFChars(value, chars);
  return copy;
}

static size_t signature_index(Model* model, const std::string& wanted, Handle* signature) {
  size_t count;
  CHECK(LiteRtGetNumModelSignatures(model->model, &count));
  for (size_t index = 0; index < count; ++index) {
    const char* key;
    CHECK(LiteRtGetModelSignature(model->model, index, signature));
    CHECK(LiteRtGetSignatureKey(*signature, &key));
    if (wanted == key) return index;
  }
  throw Failure{6, "no such signature"};
}

static size_t tensor_index(Handle signature, const std::string& wanted, bool input) {
  size_t count;
  CHECK(input ? LiteRtGetNumSignatureInputs(signature, &count)
              : LiteRtGetNumSignatureOutputs(signature, &count));
  for (size_t index = 0; index < count; ++index) {
    const char* name;
    CHECK(input ? LiteRtGetSignatureInputName(signature, index, &name)
                : LiteRtGetSignatureOutputName(signature, index, &name));
    if (wanted == name) return index;
  }
  throw Failure{6, "no such tensor"};
}

static void destroy(Model* model) {
  if (model->compiled) LiteRtDestroyCompiledModel(model->compiled);
  if (model->options) LiteRtDestroyOptions(model->options);
  if (model->model) LiteRtDestroyModel(model->model);
  if (model->environment) LiteRtDestroyEnvironment(model->environment);
  delete model;
}

#define JAVA(type, name) \
  extern "C" JNIEXPORT type JNICALL Java_com_google_ai_edge_litert_##name

JAVA(jlong, CompiledModel_create)(JNIEnv* env, jclass, jstring path) {
  auto* model = new Model;
  const auto compiled = guarded(env, [&] {
    CHECK(LiteRtCreateEnvironment(0, nullptr, &model->environment));
    CHECK(LiteRtCreateModelFromFile(model->environment, text(env, path).c_str(), &model->model));
    CHECK(LiteRtCreateOptions(&model->options));
    CHECK(LiteRtSetOptionsHardwareAccelerators(model->options, kCpu));
    CHECK(LiteRtCreateCompiledModel(model->environment, model->model, model->options,
                                    &model->compiled));
    return model;
  });
  if (compiled == nullptr) destroy(model);
  return reinterpret_cast<jlong>(compiled);
}

JAVA(jlong, CompiledModel_createBuffer)
(JNIEnv* env, jclass, jlong handle, jstring signature, jstring name, jboolean input) {
  return guarded(env, [&]() -> jlong {
    auto* model = reinterpret_cast<Model*>(handle);
    Handle found, tensor, requirements, buffer;
    TensorType type;
    const size_t index = signature_index(model, text(env, signature), &found);
    const size_t place = tensor_index(found, text(env, name), input);
    CHECK(input ? LiteRtGetSignatureInputTensorByIndex(found, place, &tensor)
                : LiteRtGetSignatureOutputTensorByIndex(found, place, &tensor));
    CHECK(LiteRtGetRankedTensorType(tensor, &type));
    CHECK(input ? LiteRtGetCompiledModelInputBufferRequirements(model->compiled, index, place,
                                                                &requirements)
                : LiteRtGetCompiledModelOutputBufferRequirements(model->compiled, index, place,
                                                                 &requirements));
    CHECK(LiteRtCreateManagedTensorBufferFromRequirements(model->environment, &type, requirements,
                                                          &buffer));
    return reinterpret_cast<jlong>(buffer);
  });
}

JAVA(void, CompiledModel_run)
(JNIEnv* env, jclass, jlong handle, jstring signature, jobjectArray names, jlongArray inputs,
 jlong output) {
  guarded(env, [&] {
    auto* model = reinterpret_cast<Model*>(handle);
    Handle found, result = reinterpret_cast<Handle>(output);
    const size_t index = signature_index(model, text(env, signature), &found);
    const jsize count = env->GetArrayLength(names);
    std::vector<jlong> given(count);
    env->GetLongArrayRegion(inputs, 0, count, given.data());
    std::vector<Handle> ordered(count);
    for (jsize i = 0; i < count; ++i) {
      const auto name = static_cast<jstring>(env->GetObjectArrayElement(names, i));
      ordered[tensor_index(found, text(env, name), true)] = reinterpret_cast<Handle>(given[i]);
    }
    CHECK(LiteRtRunCompiledModel(model->compiled, index, count, ordered.data(), 1, &result));
    return 0;
  });
}

JAVA(void, CompiledModel_destroy)(JNIEnv*, jclass, jlong handle) {
  destroy(reinterpret_cast<Model*>(handle));
}

JAVA(void, TensorBuffer_writeInt)(JNIEnv* env, jclass, jlong handle, jintArray data) {
  guarded(env, [&] {
    const auto buffer = reinterpret_cast<Handle>(handle);
    void* address;
    size_t bytes;
    CHECK(LiteRtGetTensorBufferPackedSize(buffer, &bytes));
    const jsize count = env->GetArrayLength(data);
    if (bytes != count * sizeof(jint)) throw Failure{1, "size of the data"};
    CHECK(LiteRtLockTensorBuffer(buffer, &address, kWrite));
    env->GetIntArrayRegion(data, 0, count, static_cast<jint*>(address));
    CHECK(LiteRtUnlockTensorBuffer(buffer));
    return 0;
  });
}

JAVA(jfloatArray, TensorBuffer_readFloat)(JNIEnv* env, jclass, jlong handle) {
  return guarded(env, [&] {
    const auto buffer = reinterpret_cast<Handle>(handle);
    void* address;
    size_t bytes;
    CHECK(LiteRtGetTensorBufferPackedSize(buffer, &bytes));
    CHECK(LiteRtLockTensorBuffer(buffer, &address, kRead));
    const auto result = env->NewFloatArray(bytes / sizeof(float));
    env->SetFloatArrayRegion(result, 0, bytes / sizeof(float), static_cast<float*>(address));
    CHECK(LiteRtUnlockTensorBuffer(buffer));
    return result;
  });
}

JAVA(void, TensorBuffer_destroy)(JNIEnv*, jclass, jlong handle) {
  LiteRtDestroyTensorBuffer(reinterpret_cast<Handle>(handle));
}
