// Uses the whole Windows core, so that every call of the system is linked.
#include "../../native-affinity/system.h"

int main(void) {
  cpu_mask mask;
  uint64_t id, ns;
  intptr_t handle;
  int error = affinity_get(&mask) | affinity_set(&mask) | thread_id(&id) | thread_cpu_ns(&ns);
  if (lock_take("harness.lock", &handle) == 0) lock_drop(handle);
  return error;
}
