// Memory that glibc's malloc keeps instead of giving it back to the kernel.
import { MessageChannel } from 'node:worker_threads'

/**
 * Just below the 32 MiB from which on glibc learns nothing (mallopt(3), M_MMAP_THRESHOLD). It gives back what is free
 * at the end of a heap above twice the largest block that it mapped and unmapped; a heap of a thread has 64 MiB.
 */
const BLOCK_BYTES = (32 << 20) - 65_536

let isDone = false

/**
 * Map one block, which is never written to, and unmap it, once a process. From then on what a garbage collection frees
 * of large inputs and results is used again: V8 collects whenever there are 32 MB of them, and each time the kernel
 * got those pages back, and filled new ones for the next. Elsewhere than with glibc, or with its settings in the
 * environment (`MALLOC_TRIM_THRESHOLD_` and others), nothing changes.
 */
export function keepFreed (): void {
  if (isDone || process.platform !== 'linux') return
  isDone = true
  const { port1, port2 } = new MessageChannel()
  try {
    // a message that nobody gets is freed at once, which a garbage collection would do some day
    port1.postMessage(undefined, [new ArrayBuffer(BLOCK_BYTES)])
  } catch {} // no room for it: then none is kept either
  port1.close()
  port2.close()
}
