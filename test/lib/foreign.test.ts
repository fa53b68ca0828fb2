import t from 'tap'
import { errors } from '#lib/errors'
import { Codecs } from '#lib/remote/codecs'
import { runForeign } from '#lib/remote/foreign'

t.test('what this pool refused or did not start in time goes back to the others; what ran too long does not', async (t) => {
  const outcome = async (error: unknown) => await runForeign({ jobs: {} } as never, new Codecs([]),
    { jobs: ['work'], run: async () => { throw error } } as never,
    { job: 'work', version: '1', codec: 'json', payload: '1', signal: new AbortController().signal, leftMs: 1000, timeoutMs: 0 } as never)
  for (const error of [new errors.OVERLOADED('work', 1, 1, 1, 1), new errors.CLOSED('work'), new errors.NOT_READY('work'),
    new errors.QUEUE_TIMEOUT('work', 1000, 'maxQueueWaitMs')]) {
    t.match(await outcome(error), { status: 'failed', putBack: true }, error.message)
  }
  t.match(await outcome(new errors.TIMEOUT('work', 1000)), { status: 'failed', putBack: undefined, mayRetry: true })
})
