// Plays a kernel of 4096 CPUs to the process that preloads it: refuses masks that are smaller, keeps what was set.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>

#define BYTES (4096 / 8)
static unsigned char current[BYTES] = { 1 };

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *mask) {
  (void) pid;
  if (size < BYTES) return errno = EINVAL, -1;
  memset(mask, 0, size);
  memcpy(mask, current, BYTES);
  return 0;
}

int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *mask) {
  (void) pid;
  memset(current, 0, BYTES);
  memcpy(current, mask, size < BYTES ? size : BYTES);
  return 0;
}
