/* Why this is here: Debian's rust-std has no musl flavour, so scripts/build-static.sh links musl's libc
 * with the unwinder of Debian's gcc, libgcc_eh.a. That archive was configured for glibc >= 2.35 and expects
 * two things of its libc that musl does not have; without them the link fails or a backtrace crashes.
 *
 * 1. It finds .eh_frame_hdr through glibc's _dl_find_object(): given here on top of dl_iterate_phdr().
 *    Only the eh_frame field is read by gcc's unwind-dw2-fde-dip.c on x86_64 and aarch64. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
struct dl_find_object {
  unsigned long long flags; void *map_start, *map_end;
  struct link_map *link_map; void *eh_frame; unsigned long long reserved[7];
};
struct q { uintptr_t pc; struct dl_find_object *r; };
static int cb(struct dl_phdr_info *i, size_t sz, void *d) {
  struct q *q = d; int in = 0; void *eh = 0;
  (void)sz;
  for (int n = 0; n < i->dlpi_phnum; n++) {
    const ElfW(Phdr) *p = &i->dlpi_phdr[n];
    uintptr_t a = i->dlpi_addr + p->p_vaddr;
    if (p->p_type == PT_LOAD && q->pc >= a && q->pc < a + p->p_memsz) {
      in = 1; q->r->map_start = (void *)a; q->r->map_end = (void *)(a + p->p_memsz);
    } else if (p->p_type == PT_GNU_EH_FRAME) eh = (void *)a;
  }
  if (!in || !eh) return 0;
  q->r->eh_frame = eh;
  return 1;
}
int _dl_find_object(void *pc, struct dl_find_object *r) {
  struct q q = { (uintptr_t)pc, r };
  r->flags = 0; r->link_map = 0; r->eh_frame = 0;
  return dl_iterate_phdr(cb, &q) == 1 ? 0 : -1;
}

/* 2. It refers to the pthread functions weakly and takes musl's __pthread_key_create as a sign that they are
 *    all there. A static link would leave the others null (a crash in uw_init_context_1), so refer to them
 *    strongly. */
#include <pthread.h>
__attribute__((used)) void *const dlfo_keep[] = {
  (void *)pthread_once, (void *)pthread_mutex_lock, (void *)pthread_mutex_unlock,
  (void *)pthread_key_create, (void *)pthread_getspecific, (void *)pthread_setspecific,
};
