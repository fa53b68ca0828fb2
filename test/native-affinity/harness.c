// Calls the C core from many threads at once, and from threads that are ending; for the sanitizers. harness FOLDER
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../../native-affinity/system.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 16
#define ROUNDS 300

static pthread_key_t key;
static const char *folder;
static cpu_mask all;
static int taken[4];
static int failures;

static void check(int is_right, const char *what) {
  if (is_right) return;
  __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
  fprintf(stderr, "harness: %s\n", what);
}

static int first_of(const cpu_mask *mask, int nth) {
  int found = -1;
  for (int cpu = 0; cpu < CPU_LIMIT && nth >= 0; cpu++) if (mask->words[cpu / 64] >> (cpu % 64) & 1) found = cpu, nth--;
  return found;
}

static void call_all(int seed) {
  cpu_mask one, back;
  int cpu = first_of(&all, seed % 2);
  memset(&one, 0, sizeof one);
  one.words[cpu / 64] = (uint64_t) 1 << (cpu % 64);
  check(affinity_set(&one) == 0, "affinity_set");
  check(affinity_get(&back) == 0 && memcmp(&one, &back, sizeof one) == 0, "the mask read back is the mask set");
  uint64_t id = 0, again = 0, ns = 0;
  check(thread_id(&id) == 0 && thread_id(&again) == 0 && id == again && id != 0, "thread_id");
  check(thread_cpu_ns(&ns) == 0 && ns > 0, "thread_cpu_ns");
  char path[512];
  intptr_t handle = -1;
  int which = seed % 4;
  snprintf(path, sizeof path, "%s/%d.lock", folder, which);
  int error = lock_take(path, &handle);
  check(error == 0 || error == EBUSY, "lock_take");
  if (error != 0) return;
  check(__atomic_exchange_n(&taken[which], 1, __ATOMIC_SEQ_CST) == 0, "one holder at a time");
  __atomic_store_n(&taken[which], 0, __ATOMIC_SEQ_CST);
  lock_drop(handle);
}

static void at_end(void *value) {
  call_all((int) (intptr_t) value);
}

static void *work(void *value) {
  pthread_setspecific(key, value);
  for (int round = 0; round < ROUNDS; round++) call_all((int) (intptr_t) value + round);
  return NULL;
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  folder = arguments[1];
  if (affinity_get(&all) != 0 || pthread_key_create(&key, at_end) != 0) return 2;
  for (int round = 0; round < 3; round++) {
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++) if (pthread_create(&threads[i], NULL, work, (void *) (i + 1)) != 0) return 2;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  }
  printf("%d threads, %d failures\n", 3 * THREADS, failures);
  return failures == 0 ? 0 : 1;
}
