// count - a plugin for QEMU that counts how often the emulated processor executes the instruction at each address,
// between the calls of two functions of a program, which begin and end a measurement.
//
//   -plugin count.so,start=HEX,stop=HEX,out=FILE
//
// The first measurement is written to FILE.0, the next one to FILE.1, and so on. A file has a line for each address whose
// instruction was executed: the address in hexadecimal, a space, and the count. VERSION is that of QEMU's interface.
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Declarations of QEMU's interface, whose header distributions do not ship. They are the same in all its versions.
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = VERSION;

// A block is a sequence of instructions without a branch, as QEMU translates it.
struct block {
	struct block *next;
	uint64_t times, size, address[];
};

static struct block *blocks;
static uint64_t start, stop;
static bool counting;
static const char *out;

static void begin(void) {
	for (struct block *b = blocks; b; b = b->next)
		b->times = 0;
	counting = true;
}

static void end(void) {
	static int n;
	char *name;
	FILE *f;
	counting = false;
	if (asprintf(&name, "%s.%d", out, n++) < 0 || !(f = fopen(name, "w")))
		abort();
	for (struct block *b = blocks; b; b = b->next)
		for (size_t i = 0; b->times && i < b->size; i++)
			fprintf(f, "%" PRIx64 " %" PRIu64 "\n", b->address[i], b->times);
	fclose(f);
	free(name);
}

static void executed(unsigned cpu, void *data) {
	struct block *b = data;
	if (b->address[0] == start)
		begin();
	else if (b->address[0] == stop && counting)
		end();
	b->times += counting;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb) {
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct block *b = calloc(1, sizeof *b + n * sizeof *b->address);
	if (!b)
		abort();
	b->size = n;
	for (size_t i = 0; i < n; i++)
		b->address[i] = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, i));
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, b);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
	for (int i = 0; i < argc; i++) {
		sscanf(argv[i], "start=%" SCNx64, &start);
		sscanf(argv[i], "stop=%" SCNx64, &stop);
		if (strncmp(argv[i], "out=", 4) == 0)
			out = strdup(argv[i] + 4);
	}
	if (!out || !start || !stop)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
