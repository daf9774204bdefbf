// A masker in C: finds badge numbers, `B-` and seven digits. It needs clang and nothing else, no C library and not our
// crate: it is written against `wit/portcullis.wit` and the canonical ABI of the component model
// (https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md). Lists arrive in memory that
// `cabi_realloc` hands out, and leave as a pointer to a record whose lists are pointers and lengths.
//
//   clang --target=wasm32-unknown-unknown -O2 -nostdlib -ffreestanding -Wl,--no-entry -o badges.core.wasm badges.c
//   portcullis plugin build --module badges.core.wasm --manifest plugin.json --output badges.wasm
//
// It refuses what does not fit into its memory by trapping, which denies.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(name)))
#define HOST(name) __attribute__((import_module("portcullis:plugin/host@0.1.0"), import_name(name)))

HOST("count") void host_count(u32 counter, u64 by);

// ---- memory ---------------------------------------------------------------------------------------------------------

// Arguments of one call, freed when its answer has been read. A call carries 256 KiB of text and its cells at most.
#define ARENA (4u << 20)
static u8 arena[ARENA] __attribute__((aligned(16)));
static u32 used;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, u32 old_size, u32 align, u32 size) {
  u32 start = (used + align - 1) & ~(align - 1);
  if (start > ARENA || size > ARENA - start) __builtin_trap();
  used = start + size;
  u8 *fresh = arena + start;
  const u8 *from = old;
  for (u32 i = 0; i < old_size && i < size; i++) fresh[i] = from[i];
  return fresh;
}

// ---- lifecycle ------------------------------------------------------------------------------------------------------

// result<_, list<config-error>>: 0 is well. It has no configuration, and takes none.
static u32 configured[3];
static struct {
  const char *path;
  u32 path_len;
  const char *message;
  u32 message_len;
} config_error = {"", 0, "this plugin has no configuration: write {}", 42};

EXPORT("portcullis:plugin/lifecycle@0.1.0#configure") u32 *configure(const u8 *json, u32 len) {
  int empty = len == 2 && json[0] == '{' && json[1] == '}';
  configured[0] = !empty;
  configured[1] = (u32)&config_error;
  configured[2] = 1;
  return configured;
}
EXPORT("cabi_post_portcullis:plugin/lifecycle@0.1.0#configure") void configure_read(u32 *answer) { used = 0; }

EXPORT("portcullis:plugin/lifecycle@0.1.0#open") void open_stream(const u8 *json, u32 len) { used = 0; }

EXPORT("portcullis:plugin/lifecycle@0.1.0#schema")
void schema(u32 shape, const void *columns, u32 columns_len, const u8 *names, u32 names_len) { used = 0; }

// ---- mask -----------------------------------------------------------------------------------------------------------

struct edit {
  u32 cell, start, end, rep_start, rep_len;
  u16 rule, hint;
};
struct answer {
  const struct edit *edits;
  u32 edits_len;
  const u8 *heap;
  u32 heap_len;
  u32 held;
};

// A badge has nine bytes: so many fit into what one call carries.
#define EDITS_MAX (256 * 1024 / 9 + 1)
static struct edit edits[EDITS_MAX];
static struct answer answer;

enum { PREFIX = 2, DIGITS = 7, BADGE = PREFIX + DIGITS };

static int digit(u8 c) { return c >= '0' && c <= '9'; }
static int letter(u8 c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Is there a badge at `at`, on its own?
static int badge(const u8 *text, u32 len, u32 at) {
  if (len - at < BADGE || text[at] != 'B' || text[at + 1] != '-') return 0;
  for (u32 i = PREFIX; i < BADGE; i++)
    if (!digit(text[at + i])) return 0;
  int longer = at + BADGE < len && digit(text[at + BADGE]);
  int inside = at > 0 && (digit(text[at - 1]) || letter(text[at - 1]));
  return !longer && !inside;
}

EXPORT("portcullis:plugin/mask@0.1.0#mask")
struct answer *mask(u32 kind, u32 shape, const u32 *cells, u32 cells_len, const u8 *data, u32 data_len) {
  u32 found = 0;
  for (u32 cell = 0; cell < cells_len / 3; cell++) {
    u32 start = cells[3 * cell + 1], end = cells[3 * cell + 2];
    if (start > end || end > data_len) __builtin_trap();
    for (u32 at = 0; at < end - start; at++) {
      if (!badge(data + start, end - start, at)) continue;
      if (found == EDITS_MAX) __builtin_trap();
      edits[found++] = (struct edit){.cell = cell, .start = at, .end = at + BADGE, .rule = 1};
      at += BADGE - 1;
    }
  }
  if (found) host_count(0, found);
  answer = (struct answer){.edits = edits, .edits_len = found};
  return &answer;
}
EXPORT("cabi_post_portcullis:plugin/mask@0.1.0#mask") void mask_read(struct answer *read) { used = 0; }
