// Linux, and what macOS and other POSIX systems can do of it: they have locks, but no thread affinity.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "system.h"
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif

int affinity_set(const cpu_mask *mask) {
#ifdef __linux__
  // 0 is the calling thread. The kernel ignores bits of CPUs that it cannot have: read the mask back.
  return sched_setaffinity(0, sizeof *mask, (const cpu_set_t *) mask) == 0 ? 0 : errno;
#else
  (void) mask;
  return ENOTSUP;
#endif
}

int affinity_get(cpu_mask *mask) {
  memset(mask, 0, sizeof *mask);
#ifdef __linux__
  // refused with EINVAL where the mask is smaller than the kernel's, which a cpu_set_t of 1024 CPUs can be
  return sched_getaffinity(0, sizeof *mask, (cpu_set_t *) mask) == 0 ? 0 : errno;
#else
  return ENOTSUP;
#endif
}

int thread_id(uint64_t *id) {
#ifdef __linux__
  *id = (uint64_t) syscall(SYS_gettid);
  return 0;
#elif defined(__APPLE__)
  return pthread_threadid_np(NULL, id);
#else
  (void) id;
  return ENOTSUP;
#endif
}

int thread_cpu_ns(uint64_t *ns) {
  struct timespec time;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return errno;
  *ns = (uint64_t) time.tv_sec * 1000000000u + (uint64_t) time.tv_nsec;
  return 0;
}

// The lock is the open file's, so what forks must not keep it: O_CLOEXEC. A pipe in the file's place must not block.
int lock_take(const char *path, intptr_t *handle) {
  int file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
  if (file < 0) return errno;
  struct stat locked, named;
  int error = 0;
  if (fstat(file, &locked) != 0) error = errno;
  else if (!S_ISREG(locked.st_mode)) error = EINVAL;
  else if (flock(file, LOCK_EX | LOCK_NB) != 0) error = errno == EWOULDBLOCK ? EBUSY : errno;
  else if (lstat(path, &named) != 0 || named.st_dev != locked.st_dev || named.st_ino != locked.st_ino) error = ESTALE;
  if (error != 0) close(file);
  else *handle = file;
  return error;
}

void lock_drop(intptr_t handle) {
  close((int) handle);
}
