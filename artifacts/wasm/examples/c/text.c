// Text is a library of SQL functions in WebAssembly, written in C without a C library.
// The ABI is that of package artifacts/wasm.
#include <stdint.h>

typedef struct { uint32_t validity, data, bytes; } column;

extern unsigned char __heap_base;
static uint32_t next;
static column result;

// What the host writes into is freed by the next call of a function, all at once: a
// call begins with the first alloc after a function returned.
static int returned = 1;

__attribute__((export_name("millrace_alloc"))) uint32_t millrace_alloc(uint32_t n) {
	if (returned) next = (uint32_t)(uintptr_t)&__heap_base, returned = 0;
	uint32_t at = (next + 15) & ~15u;
	next = at + n;
	uint32_t pages = (next >> 16) + 1, have = __builtin_wasm_memory_size(0);
	if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == (uint32_t)-1) return 0;
	return at;
}

// shout makes letters of ASCII large.
__attribute__((export_name("shout"))) uint32_t shout(uint32_t rows, uint32_t args) {
	const column *in = (const column *)(uintptr_t)args;
	const int32_t *off = (const int32_t *)(uintptr_t)in->data;
	const unsigned char *from = (const unsigned char *)(uintptr_t)in->bytes;
	uint32_t n = (uint32_t)off[rows], at = millrace_alloc(n);
	returned = 1;
	if (at == 0 && n > 0) __builtin_trap();
	unsigned char *to = (unsigned char *)(uintptr_t)at;
	for (uint32_t i = 0; i < n; i++) to[i] = from[i] - (unsigned char)(((unsigned)(from[i] - 'a') < 26) << 5);
	result.validity = in->validity, result.data = in->data, result.bytes = at;
	return (uint32_t)(uintptr_t)&result;
}
