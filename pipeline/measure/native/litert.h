/* What we call of LiteRT's C API: the wheel has the library and no header. Prototypes after litert/c
   of LiteRT 2.3 (Apache-2.0); every function returns a status, 0 where all is well. */
#ifndef POCKETBERT_LITERT_H
#define POCKETBERT_LITERT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void* Handle;
enum { kCpu = 1, kRead = 0, kWrite = 1 };
typedef union {
  char opaque[256]; /* filled by the library, and handed back to it */
  long long aligned;
} TensorType;

int LiteRtCreateEnvironment(int count, const void* options, Handle* environment);
int LiteRtCreateModelFromFile(Handle environment, const char* file, Handle* model);
int LiteRtCreateOptions(Handle* options);
int LiteRtSetOptionsHardwareAccelerators(Handle options, int accelerators);
int LiteRtCreateCompiledModel(Handle environment, Handle model, Handle options, Handle* compiled);

int LiteRtGetNumModelSignatures(Handle model, size_t* count);
int LiteRtGetModelSignature(Handle model, size_t index, Handle* signature);
int LiteRtGetSignatureKey(Handle signature, const char** key);
int LiteRtGetNumSignatureInputs(Handle signature, size_t* count);
int LiteRtGetNumSignatureOutputs(Handle signature, size_t* count);
int LiteRtGetSignatureInputName(Handle signature, size_t index, const char** name);
int LiteRtGetSignatureOutputName(Handle signature, size_t index, const char** name);
int LiteRtGetSignatureInputTensorByIndex(Handle signature, size_t index, Handle* tensor);
int LiteRtGetSignatureOutputTensorByIndex(Handle signature, size_t index, Handle* tensor);
int LiteRtGetRankedTensorType(Handle tensor, TensorType* type);

int LiteRtGetCompiledModelInputBufferRequirements(Handle compiled, size_t signature, size_t input,
                                                  Handle* requirements);
int LiteRtGetCompiledModelOutputBufferRequirements(Handle compiled, size_t signature, size_t output,
                                                   Handle* requirements);
int LiteRtCreateManagedTensorBufferFromRequirements(Handle environment, const TensorType* type,
                                                    Handle requirements, Handle* buffer);
int LiteRtGetTensorBufferPackedSize(Handle buffer, size_t* bytes);
int LiteRtLockTensorBuffer(Handle buffer, void** address, int mode);
int LiteRtUnlockTensorBuffer(Handle buffer);
int LiteRtRunCompiledModel(Handle compiled, size_t signature, size_t inputs, Handle* input,
                           size_t outputs, Handle* output);

void LiteRtDestroyTensorBuffer(Handle buffer);
void LiteRtDestroyCompiledModel(Handle compiled);
void LiteRtDestroyOptions(Handle options);
void LiteRtDestroyModel(Handle model);
void LiteRtDestroyEnvironment(Handle environment);

#ifdef __cplusplus
}
#endif
#endif
