// A plugin of QEMU (7.2, plugin API 1) that counts the instructions a program executes: all, SIMD and
// floating point ones, and SDOT, which does 16 multiply-adds of int8. One thread only: counters are
// not atomic. The packaged QEMU comes without the header; declarations after its documentation.
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t,
                                                              struct qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb* block, enum qemu_plugin_op op,
                                              void* counter, uint64_t added);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*ended)(qemu_plugin_id_t, void*),
                                    void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* block);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* block, size_t index);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn* instruction);

int qemu_plugin_version = 1;

static uint64_t all, simd, sdot;
static FILE* output;

// Arm Architecture Reference Manual for A-profile, C4.1: bits 25 to 28 are the top-level group.
static bool is_simd(uint32_t word) { return (word >> 25 & 7) == 7; }

// SDOT (vector) and SDOT (by element).
static bool is_sdot(uint32_t word) {
  return (word & 0xbfe0fc00u) == 0x0e809400u || (word & 0xbfc0f400u) == 0x0f80e000u;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  uint64_t count = qemu_plugin_tb_n_insns(block), simd_here = 0, sdot_here = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof word);
    simd_here += is_simd(word);
    sdot_here += is_sdot(word);
  }
  qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &all, count);
  qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &simd, simd_here);
  qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &sdot, sdot_here);
}

static void ended(qemu_plugin_id_t id, void* data) {
  fprintf(output, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", all, simd, sdot);
  fclose(output);
}

// Argument: out=FILE
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const void* info, int count,
                                                               char** arguments) {
  output = count == 1 && strncmp(arguments[0], "out=", 4) == 0 ? fopen(arguments[0] + 4, "w") : NULL;
  if (output == NULL) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
