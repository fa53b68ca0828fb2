// When an actor is old: by the heap it uses, the jobs it ran, its age; pure.

/** Above any of these an actor's thread is replaced, one at a time, the replacement first. */
export interface RecycleOptions {
  /** heap in use, garbage included, as the actor says ten times a second at most, MiB */
  maxHeapMb?: number
  /** jobs that ended in its life */
  maxJobs?: number
  maxAgeMs?: number
}

/** Why an actor is to be replaced; undefined where it is not. Pure. */
export function whyRecycle ({ maxHeapMb = Infinity, maxJobs = Infinity, maxAgeMs = Infinity }: RecycleOptions,
  { heapMb, jobs, ageMs }: { heapMb: number, jobs: number, ageMs: number }): string | undefined {
  if (heapMb > maxHeapMb) return `recycled: ${Math.round(heapMb)} MiB of heap in use, limit ${maxHeapMb}`
  if (jobs >= maxJobs) return `recycled: ${jobs} jobs run, limit ${maxJobs}`
  if (ageMs >= maxAgeMs) return `recycled: ${Math.round(ageMs)} ms old, limit ${maxAgeMs}`
  return undefined
}
