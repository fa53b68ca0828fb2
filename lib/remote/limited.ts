// BullMQ's worker with a limit: what is too long to be a job of ours is not parsed.
import { Worker } from 'bullmq'
import type { WorkerOptions } from 'bullmq'

export interface LimitedOptions extends WorkerOptions { readonly maxDataText: number }

/** A job with a longer text gets `null` as its data, and fails as no job of ours. */
export class LimitedWorker extends Worker {
  protected override createJob (...[json, id]: Parameters<Worker['createJob']>): ReturnType<Worker['createJob']> {
    const { maxDataText } = this.opts as LimitedOptions
    return super.createJob(json.data.length <= maxDataText ? json : { ...json, data: 'null' }, id)
  }

  /**
   * End the timer of the locks and the connection that waits for jobs: where Redis, or a node of its cluster, went
   * away, `close()` waits for ever before it comes to these, and the process with it.
   */
  async abandon (): Promise<void> {
    await this.lockManager.close()
    await this.backend.close(true)
  }
}
