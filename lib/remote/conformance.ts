// What every remote tier must do, as tests that any runner can run: import of fastify-spillover/remote-conformance.
import { deepStrictEqual, equal, ok, rejects } from 'node:assert/strict'
import type { RemoteJob, RemoteTier, RunResult, Served, SlotSource, TakenJob } from './contract.js'

/** A producer and a worker on one engine, which is empty. */
export interface ConformancePair {
  readonly producer: RemoteTier
  readonly worker: RemoteTier
  /** a further tier on the same engine */
  another (): RemoteTier
  close (): Promise<void>
}

export interface ConformanceOptions {
  /** the runner's way to register a test, as `t.test` of tap or `test` of node:test */
  readonly test: (title: string, run: () => Promise<void>) => unknown
  /** a pair with maxPayloadBytes 4096, maxInFlight 8 and, where it has a lock, one of 2 s or less */
  readonly make: () => Promise<ConformancePair>
}

const code = (key: string): { code: string } => ({ code: `FST_ERR_SPILLOVER_${key}` })
const log = { info () {}, warn () {}, error () {} }
const done: RunResult = { status: 'ok', codec: 'json', payload: '"done"' }
const served: Served[] = [{ job: 'work', version: '1' }]

const job = (more: Partial<RemoteJob> = {}): RemoteJob => ({
  job: 'work',
  version: '1',
  payload: '1',
  codec: 'json',
  durable: false,
  reply: 'fast',
  deadlineMs: 20000,
  timeoutMs: 0,
  attempts: 1,
  priority: 'normal',
  resultTtlMs: 60000,
  ...more
})
const durable = (more: Partial<RemoteJob> = {}): RemoteJob => job({ durable: true, reply: 'committed', ...more })

/** Free slots of a worker that runs up to `size` jobs. */
const slots = (size: number): SlotSource => ({ size, free: () => size })

/** Wait until it is true; says what was waited for. */
async function until (what: string, test: () => boolean | Promise<boolean>): Promise<void> {
  const limit = Date.now() + 15_000
  while (!await test()) {
    if (Date.now() > limit) throw new Error(`waited 15 s for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const isServed = (tier: RemoteTier, version = '1'): boolean =>
  tier.admit({ job: 'work', version, payloadBytes: 1, durable: false, deadlineMs: 20000, meanMs: NaN }).ok
const isUp = (tier: RemoteTier): boolean => tier.stats().shards.every(({ breaker }) => breaker === 'closed') &&
  tier.admit({ job: 'work', version: '1', payloadBytes: 1, durable: true, deadlineMs: 20000, meanMs: NaN }).ok

/** A run that ends when it is told to, or when its signal fires. */
function held (): {
  run: (taken: TakenJob) => Promise<RunResult>,
  taken: TakenJob[],
  release: (result?: RunResult) =>
  void
} {
  const taken: TakenJob[] = []
  let release!: (result?: RunResult) => void
  const released = new Promise<RunResult>((resolve) => { release = (result = done) => resolve(result) })
  return {
    taken,
    release,
    run: (one) => {
      taken.push(one)
      return Promise.race([released, new Promise<RunResult>((resolve) => {
        one.signal.addEventListener('abort', () => {
          const { reason } = one.signal
          if (reason === 'this worker ends') resolve({ status: 'failed', error: '{}', putBack: true })
          else resolve({ status: reason instanceof Error ? 'expired' : 'cancelled', error: '{"name":"Error","message":"stopped","own":{}}' })
        }, { once: true })
      })])
    }
  }
}

/** Register the tests. */
export function remoteConformance ({ test, make }: ConformanceOptions): void {
  const check = (title: string, run: (pair: ConformancePair) => Promise<void>): void => {
    test(title, async () => {
      const pair = await make()
      try {
        pair.producer.start({ log, served: [...served, { job: 'work', version: '2' }] })
        pair.worker.start({ log, served })
        await until('the engine to be reached', () => isUp(pair.producer) && isUp(pair.worker))
        await run(pair)
      } finally {
        await pair.close()
      }
    })
  }

  check('a job\'s payload reaches the worker and its result or error the waiter, 3 of 3', async ({ producer, worker }) => {
    await worker.serve(served, async ({ payload }): Promise<RunResult> => payload === '"bad"'
      ? { status: 'failed', error: '{"name":"TypeError","message":"bad","own":{"code":"X"}}' }
      : { status: 'ok', codec: 'json', payload }, slots(2))
    await until('a worker to be known', () => isServed(producer))
    deepStrictEqual(await producer.submit(job({ payload: '"ü€😀"' })).done, { status: 'ok', codec: 'json', payload: '"ü€😀"' })
    deepStrictEqual(await producer.submit(durable({ payload: '' })).done, { status: 'ok', codec: 'json', payload: '' })
    deepStrictEqual(await producer.submit(job({ payload: '"bad"' })).done,
      { status: 'failed', error: '{"name":"TypeError","message":"bad","own":{"code":"X"}}' })
  })

  check('times by job: 3 round trips where the jobs came from, 3 waits of the time before a worker came where they ran', async ({ producer, worker }) => {
    const tickets = [durable(), durable(), durable()].map((job) => producer.submit(job))
    await Promise.all(tickets.map(({ accepted }) => accepted))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await worker.serve(served, async () => done, slots(1))
    await Promise.all(tickets.map((ticket) => ticket.done))
    const [sent, ran] = [producer.times().get('work')!, worker.times().get('work')!]
    deepStrictEqual([sent.roundtrip.count, sent.wait.count, ran.roundtrip.count, ran.wait.count], [3, 0, 0, 3])
    for (const { sumMs } of [sent.roundtrip, ran.wait]) ok(sumMs >= 270 && sumMs < 30_000, `${sumMs} ms`)
  })

  check('an id tells whose job it was, also where no record is left: its owner and nobody else', async ({ producer, worker, another }) => {
    await worker.serve(served, async ({ payload }) => ({ status: 'ok', codec: 'json', payload }), slots(1))
    const mine = producer.submit(durable({ owner: 'me' }))
    const keyed = producer.submit(durable({ owner: 'me', key: { scope: 'me', value: 'k', fingerprint: 'f' } }))
    await Promise.all([mine.done, keyed.done])
    const other = another()
    other.start({ log, served })
    for (const { id } of [mine, keyed]) {
      const last = id.at(-1) === 'A' ? 'B' : 'A'
      deepStrictEqual([other.isGivenTo(id, 'me'), other.isGivenTo(id, 'you'), other.isGivenTo(id, undefined), other.isGivenTo(id.slice(0, -1) + last, 'me')],
        [true, false, false, false], id)
    }
    equal(other.isGivenTo('nonsense', 'me'), false)
  })

  check('64 jobs at once from 2 producers: each waiter gets its own answer', async ({ producer, worker, another }) => {
    const other = another()
    other.start({ log, served })
    await worker.serve(served, async ({ payload }) => ({ status: 'ok', codec: 'json', payload }), slots(4))
    await until('a worker to be known to both', () => isServed(producer) && isServed(other))
    for (let batch = 0; batch < 8; batch++) {
      const sent = Array.from({ length: 8 }, (_, at) => `${batch * 8 + at}`)
      const outcomes = await Promise.all(sent.map((payload, at) =>
        (at % 2 === 0 ? producer : other).submit(job({ payload })).done))
      deepStrictEqual(outcomes.map((outcome) => outcome.status === 'ok' && outcome.payload), sent)
    }
    await other.close()
  })

  check('nobody alive for a job: refused at once, but a durable job waits for a worker', async ({ producer, worker }) => {
    await rejects(producer.submit(job()).done, code('NO_WORKER'))
    const ticket = producer.submit(durable())
    await ticket.accepted
    equal((await producer.lookup(ticket.id))?.state, 'queued')
    await worker.serve(served, async () => done, slots(1))
    deepStrictEqual(await ticket.done, { status: 'ok', codec: 'json', payload: '"done"' })
    equal((await producer.lookup(ticket.id))?.state, 'succeeded')
  })

  check('a worker of version 1 never takes a job of version 2', async ({ producer, worker, another }) => {
    const seen: string[] = []
    await worker.serve(served, async ({ version }) => {
      seen.push(version)
      return done
    }, slots(1))
    await until('a worker to be known', () => isServed(producer))
    equal(isServed(producer, '2'), false)
    const second = producer.submit(durable({ version: '2' }))
    await second.accepted
    await producer.submit(durable()).done
    deepStrictEqual(seen, ['1'])
    const newer = another()
    newer.start({ log, served })
    await newer.serve([{ job: 'work', version: '2' }], async ({ version }) => ({ status: 'ok', codec: 'json', payload: version }), slots(1))
    deepStrictEqual(await second.done, { status: 'ok', codec: 'json', payload: '2' })
    await newer.close()
  })

  check('one key is one run for two producers, is replayed after its end, and is refused with another input', async ({ producer, worker, another }) => {
    const other = another()
    other.start({ log, served })
    await until('the engine to be reached', () => isUp(other))
    const hold = held()
    await worker.serve(served, hold.run, slots(2))
    const key = { scope: 'user-1', value: 'k', fingerprint: 'f' }
    const one = producer.submit(durable({ key }))
    await one.accepted
    const two = other.submit(durable({ key }))
    await two.accepted
    equal(one.id, two.id)
    await until('the job to run', () => hold.taken.length > 0)
    hold.release()
    deepStrictEqual(await Promise.all([one.done, two.done]), [done, done])
    deepStrictEqual(await other.submit(durable({ key })).done, done)
    equal(hold.taken.length, 1)
    await rejects(producer.submit(durable({ key: { ...key, fingerprint: 'g' } })).done, code('KEY_REUSED'))
    const elsewhere = producer.submit(durable({ key: { ...key, scope: 'user-2' } }))
    deepStrictEqual(await elsewhere.done, done)
    equal(hold.taken.length, 2)
    await other.close()
  })

  check('a job whose deadline passed is never begun, one that runs is stopped at it', async ({ producer, worker }) => {
    const late = producer.submit(durable({ deadlineMs: 30 }))
    await late.accepted
    await new Promise((resolve) => setTimeout(resolve, 60))
    const hold = held()
    await worker.serve(served, hold.run, slots(2))
    equal((await late.done.catch((error: { code: string }) => ({ status: error.code }))).status !== 'ok', true)
    await until('a worker to be known', () => isServed(producer))
    const running = await producer.submit(job({ deadlineMs: 500 })).done
    equal(running.status, 'expired')
    equal(hold.taken.length, 1)
  })

  check('cancel takes a waiting job out, and stops a running one', async ({ producer, worker }) => {
    const waiting = producer.submit(durable())
    await waiting.accepted
    equal(await producer.cancel(waiting.id, 'not wanted'), 'removed')
    equal((await waiting.done).status, 'cancelled')
    equal((await producer.lookup(waiting.id))?.state, 'cancelled')
    const hold = held()
    await worker.serve(served, hold.run, slots(1))
    const running = producer.submit(durable())
    await until('the job to run', () => hold.taken.length === 1)
    equal((await producer.lookup(running.id))?.state, 'running')
    await until('the order to arrive', async () => {
      await producer.cancel(running.id, 'not wanted')
      return hold.taken[0]!.signal.aborted
    })
    equal((await running.done).status, 'cancelled')
    equal(await producer.cancel(running.id, 'again'), 'finished')
    equal(await producer.cancel(running.id.replace(/.$/, '0'), 'unknown') !== 'removed', true)
  })

  check('a durable job that failed is run again, up to its 3 attempts; other failures end at once', async ({ producer, worker }) => {
    let runs = 0
    await worker.serve(served, async ({ payload, attempt }): Promise<RunResult> => {
      runs++
      if (payload === '"final"') return { status: 'failed', error: '{"name":"Error","message":"final","own":{}}' }
      return attempt < 3 ? { status: 'failed', error: '{"name":"Error","message":"again","own":{}}', mayRetry: true } : done
    }, slots(1))
    deepStrictEqual(await producer.submit(durable({ attempts: 3 })).done, done)
    equal(runs, 3)
    equal((await producer.submit(durable({ attempts: 3, payload: '"final"' })).done).status, 'failed')
    equal(runs, 4)
  })

  check('a payload over 4096 bytes and the 9th job in flight are refused', async ({ producer, worker }) => {
    const hold = held()
    await worker.serve(served, hold.run, slots(1))
    await until('a worker to be known', () => isServed(producer))
    await rejects(producer.submit(job({ payload: 'x'.repeat(4097) })).done, code('REMOTE_PAYLOAD'))
    const eight = Array.from({ length: 8 }, () => producer.submit(job()))
    await rejects(producer.submit(job()).done, code('REMOTE_FULL'))
    hold.release()
    deepStrictEqual(await Promise.all(eight.map((ticket) => ticket.done)), Array(8).fill(done))
    deepStrictEqual(await producer.submit(job()).done, done)
  })

  check('another process can wait for a job by its id, and reads its end', async ({ producer, worker, another }) => {
    const ticket = producer.submit(durable({ owner: 'me' }))
    await ticket.accepted
    const other = another()
    other.start({ log, served })
    await until('the engine to be reached', () => isUp(other))
    const attached = other.attach(ticket.id)
    await attached.accepted
    await worker.serve(served, async () => done, slots(1))
    deepStrictEqual(await attached.done, done)
    const status = await other.lookup(ticket.id)
    deepStrictEqual([status?.state, status?.owner, status?.outcome], ['succeeded', 'me', done])
    deepStrictEqual(await other.attach(ticket.id).done, done)
    equal(await other.lookup(ticket.id.replace(/.$/, (last) => last === '_' ? '-' : '_')), null)
    await other.close()
  })

  check('a worker never has more jobs than slots, and what it puts back another one runs', async ({ producer, worker, another }) => {
    const hold = held()
    await worker.serve(served, hold.run, slots(2))
    await until('a worker to be known', () => isServed(producer))
    const tickets = Array.from({ length: 6 }, () => producer.submit(job()))
    await until('2 jobs to run', () => hold.taken.length === 2)
    const other = another()
    other.start({ log, served })
    let ran = 0
    await other.serve(served, async () => {
      ran++
      return done
    }, slots(1))
    await until('4 jobs to run on the other worker', () => ran === 4)
    equal(hold.taken.length, 2)
    hold.release()
    deepStrictEqual(await Promise.all(tickets.map((ticket) => ticket.done)), Array(6).fill(done))
    await other.close()
  })

  check('a worker that stops in time ends what it runs, one that does not gives it back', async ({ producer, worker, another }) => {
    const hold = held()
    const serving = await worker.serve(served, hold.run, slots(1))
    const first = producer.submit(durable())
    await until('the job to run', () => hold.taken.length === 1)
    const stopping = serving.stop(10_000)
    hold.release()
    await stopping
    deepStrictEqual(await first.done, done)
    const stubborn = another()
    stubborn.start({ log, served })
    const again = held()
    const slow = await stubborn.serve(served, again.run, slots(1))
    const second = producer.submit(durable())
    await until('the job to run', () => again.taken.length === 1)
    const other = another()
    other.start({ log, served })
    await other.serve(served, async () => done, slots(1))
    await slow.stop(0)
    deepStrictEqual(await second.done, done)
    ok(again.taken[0]!.signal.aborted)
    await Promise.all([stubborn.close(), other.close()])
  })

  check('progress of a running job can be read', async ({ producer, worker }) => {
    const hold = held()
    await worker.serve(served, hold.run, slots(1))
    const ticket = producer.submit(durable())
    await until('the job to run', () => hold.taken.length === 1)
    hold.taken[0]!.progress({ part: 3 })
    await until('the progress', async () => (await producer.lookup(ticket.id))?.progress !== undefined)
    deepStrictEqual((await producer.lookup(ticket.id))?.progress, { part: 3 })
    hold.release()
    await ticket.done
  })

  check('close settles every waiter', async ({ producer }) => {
    const ticket = producer.submit(durable())
    await ticket.accepted
    await producer.close()
    await rejects(ticket.done, code('CLOSED'))
    await rejects(producer.submit(durable()).done, code('REMOTE_DOWN'))
  })
}
