// No pool: the job on the calling thread.
import * as jobs from '../jobs/jobs.js'

export async function open () {
  return {
    call: async (name, input) => jobs[name](input),
    move: async (name, input) => jobs[name](input),
    close: async () => {}
  }
}
