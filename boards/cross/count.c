// A plugin of qemu's user mode that counts instructions per function. In: a program under emulation. Out: a line for each of its
// functions when it ends, `COUNT<tab>NAME`, in the file that `out=` names. Functions by the program's own symbols: not stripped.
//
// Counts are added per block of code, without a lock: right for one thread, and within its races for several. Declarations as in
// qemu's documentation of its plugins (version 1 of the interface), whose header Debian does not pack.

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*ended)(qemu_plugin_id_t, void *);

void   qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated);
void   qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, enum qemu_plugin_op, void *, uint64_t);
void   qemu_plugin_register_atexit_cb(qemu_plugin_id_t, ended, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn * qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char * qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { BUCKETS = 1 << 16 };

static struct {
    char *   name;
    uint64_t count;
} functions[BUCKETS];

static char path[4096];

// The bucket of a function, made where there is none. qemu translates under a lock.
static uint64_t * count_of(const char * name) {
    uint64_t hash = 14695981039346656037u;
    for (const char * c = name; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    }
    size_t at = hash % BUCKETS;
    while (functions[at].name && strcmp(functions[at].name, name)) {
        at = (at + 1) % BUCKETS;
    }
    if (!functions[at].name) {
        functions[at].name = strdup(name);
    }
    return &functions[at].count;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb * tb) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn * insn   = qemu_plugin_tb_get_insn(tb, i);
        const char *              symbol = qemu_plugin_insn_symbol(insn);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, count_of(symbol ? symbol : "?"), 1);
    }
}

static void end(qemu_plugin_id_t id, void * data) {
    (void)id;
    (void)data;
    FILE * out = fopen(path, "w");
    if (!out) {
        perror(path);
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        if (functions[i].count) {
            fprintf(out, "%" PRIu64 "\t%s\n", functions[i].count, functions[i].name);
        }
    }
    fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t * info, int argc, char ** argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) {
            snprintf(path, sizeof path, "%s", argv[i] + 4);
        }
    }
    if (!*path) {
        fprintf(stderr, "count: no out=FILE\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
