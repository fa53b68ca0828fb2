// What the addon asks of the operating system. Each function returns 0 or an error number, and touches nothing but the
// calling thread and its arguments: any number of threads may call at once.
#ifndef SPILLOVER_SYSTEM_H
#define SPILLOVER_SYSTEM_H

#include <errno.h>
#include <stdint.h>

// Linux knows at most 8192 CPUs (NR_CPUS on x86); eight times that is a mask of 8 KiB, and no burden for a stack.
#define CPU_LIMIT 65536

// One bit a CPU, the lowest first; laid out as the kernel's mask on every little-endian or 64-bit machine.
typedef struct { uint64_t words[CPU_LIMIT / 64]; } cpu_mask;

int affinity_set(const cpu_mask *mask);
int affinity_get(cpu_mask *mask);
int thread_id(uint64_t *id);
int thread_cpu_ns(uint64_t *ns);

// Opens the file, makes it with mode 0600 if it is not there, and locks it for this one handle. EBUSY: another handle,
// here or in another process, has the lock. ELOOP: it is a link. EINVAL: it is no regular file. ESTALE: it was deleted
// or replaced meanwhile. The kernel drops the lock when the process ends, however it ends.
int lock_take(const char *path, intptr_t *handle);
void lock_drop(intptr_t handle);

#endif
