// Both ends of one mailbox in one thread: what can be taken back, and that the simulator's mailbox means the same.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t from 'tap'
import { Load } from '#lib/load'
import { ActorEnd, ERROR, HostEnd, OK, PLACES, UNSEEN } from '#lib/mailbox'
import { RING_BYTES } from '#lib/ring'
import { VirtualClock } from '#lib/simulator/clock'
import { SimulatedMailbox } from '#lib/simulator/mailbox'
import { until } from '../fixtures/until'
import type { Test } from 'tap'
import type { FromActor } from '#lib/jobs'
import type { SimulatedJob } from '#lib/simulator/mailbox'

type Job = ReturnType<typeof makeJob>

t.setTimeout(120_000)

function bothEnds (t: Test, firstId = 1, onMessage: (message: FromActor) => void = () => {}) {
  const host = new HostEnd<Job>(onMessage, 0, firstId)
  const actor = new ActorEnd(host.buffer, host.ports)
  t.teardown(() => {
    host.close()
    actor.close()
  })
  return { host, actor }
}

t.test('jobs are taken back in the order given, also past the place of one that has run through all others', (t) => {
  const { host, actor } = bothEnds(t)
  const give = (name: string) => {
    const job = makeJob(name)
    t.ok(host.give(job, 0, null, undefined), name)
    return job
  }
  give('long')
  actor.take()
  for (let n = 2; n < PLACES; n++) {
    give(`quick ${n}`)
    actor.reply(actor.take()!.id, 1, OK, null)
    host.drain(() => {})
  }
  const waiting = ['one', 'two', 'three'].map(give)
  t.strictSame(waiting.map(({ id }) => id), [PLACES, PLACES + 2, PLACES + 3], 'the place of the long one was passed over')
  t.strictSame(host.takeBackMany(Infinity, true).map(({ name }) => name), ['one', 'two', 'three'])
  t.strictSame([...host.jobs()].map(({ name }) => name), ['long'])
  t.end()
})

t.test('a job that is given while another one is written has no room; after it there is', async (t) => {
  const { host, actor } = bothEnds(t)
  const [outer, inner] = [makeJob('outer'), makeJob('inner')]
  const seen: boolean[] = []
  t.ok(host.give(outer, 0, { get a () { seen.push(host.give(inner, 0, 'inner', undefined)); return 1 } }, undefined))
  t.notOk(seen.includes(true))
  t.throws(() => host.give(inner, 0, { get a () { throw new Error('no') } }, undefined), { message: 'no' })
  t.ok(host.give(inner, 0, 'inner', undefined), 'also after one that could not be given')
  t.strictSame([actor.take()!.value, actor.take()!.value], [{ a: 1 }, 'inner'])
  t.equal(host.depth, 2)
})

t.test('who is told of a record may read the replies itself: each of 3 is read once', async (t) => {
  const read: string[] = []
  const onReply = ({ name }: Job): void => { read.push(name) }
  const { host, actor } = bothEnds(t, 1, () => { host.drain(onReply) })
  for (const name of ['one', 'two', 'three']) {
    host.give(makeJob(name), 0, name, undefined)
    const { id, value } = actor.take()!
    actor.log({ type: 'progress', id, value })
    actor.reply(id, 1, OK, value)
  }
  host.drain(onReply)
  t.strictSame(read.sort(), ['one', 'three', 'two'])
  t.notOk(host.hasReply)
  t.equal(host.depth, 0)
})

t.test('a record of 8000 levels, for which the host has not the stack, is told as a warning; the one behind it is read', async (t) => {
  const told: FromActor[] = []
  const host = new HostEnd<Job>((message) => { told.push(message) })
  t.teardown(() => host.close())
  const posted = new Int32Array(new SharedArrayBuffer(4))
  const { bell } = host.ports
  // a worker thread has the stack to write it
  const thread = new Worker(`const { bell, posted } = require('node:worker_threads').workerData
    bell.postMessage(JSON.parse('['.repeat(8000) + ']'.repeat(8000)))
    bell.postMessage({ type: 'progress', id: 1, value: 'behind it' })
    Atomics.store(posted, 0, 1)
    Atomics.notify(posted, 0)`, { eval: true, execArgv: [], workerData: { bell, posted }, transferList: [bell] })
  Atomics.wait(posted, 0, 0) // without a turn of the event loop, which would read them
  host.readMessages()
  t.match(told, [{ type: 'log', id: -1, level: 3, args: [RangeError] }, { type: 'progress', value: 'behind it' }])
  await once(thread, 'exit')
})

t.test('an actor whose job gives the ports of its mailbox away still rings and replies', async (t) => {
  const told: FromActor[] = []
  const { host, actor } = bothEnds(t, 1, (message) => { told.push(message) })
  const { bell, values } = host.ports
  const { port1, port2 } = new MessageChannel()
  t.teardown(() => port1.close())
  try {
    port1.postMessage(null, [bell, values])
  } catch {} // newer versions of Node throw
  receiveMessageOnPort(port2)
  host.give(makeJob('one'), 0, null, undefined)
  host.arm()
  actor.reply(actor.take()!.id, 1, OK, new Uint8Array(1))
  actor.ring()
  const results: unknown[] = []
  await until('the bell has rung', () => told.length > 0)
  host.drain((_job, status, value) => { results.push(status, value) })
  t.strictSame(results, [OK, new Uint8Array(1)])
})

t.test(`after ${UNSEEN} jobs were taken back an actor is behind until it has passed the last of them`, async (t) => {
  const { host, actor } = bothEnds(t)
  const give = () => {
    const job = makeJob('job')
    t.ok(host.give(job, 0, new Uint8Array(10), undefined))
    return job
  }
  for (let round = 0; round < 3; round++) {
    const before = host.passed
    for (let n = 1; n <= UNSEEN; n++) {
      t.equal(host.isBehind, false)
      host.takeBack(give())
    }
    t.equal(host.isBehind, true)
    t.equal(host.passed, before)
    t.equal(actor.take(), undefined)
    t.equal(host.isBehind, false)
    t.not(host.passed, before)
    t.equal(receiveMessageOnPort(host.ports.values), undefined, 'no copy is left')
  }
  // those taken back at once are revoked from the last to the first
  const some = Array.from({ length: UNSEEN + 1 }, give)
  t.equal(host.takeBackMany(UNSEEN, true).length, UNSEEN)
  t.equal(actor.take()?.id, some[0]!.id)
  t.equal(host.isBehind, true)
  t.equal(actor.take(), undefined)
  t.equal(host.isBehind, false)
})

t.test('an actor is behind where fewer jobs that were taken back leave no room in its ring', async (t) => {
  const { host, actor } = bothEnds(t)
  const lengthOf = (value: unknown): number => {
    const before = host.passed
    host.give(makeJob('measured'), 0, value, undefined)
    actor.reply(actor.take()!.id, 1, OK, null)
    actor.take()
    host.drain(() => {})
    return (host.passed - before) | 0
  }
  // of a text three times its length has to be free, so it takes several to come near a sixth of the ring
  const large = (units: number) => [10_000, 6000, 3000, units].map((length) => 'x'.repeat(length))
  const filling = (bytes: number) => {
    const all = Array.from({ length: 400 }, (_, at) => large(1000 + at * 10))
    return all.find((texts) => lengthOf(texts) === bytes)
  }
  const records = [...Array(5).fill(filling(21_840)), filling(RING_BYTES - 5 * 21_840)]
  while (host.passed % RING_BYTES !== 0) lengthOf(null)
  for (const record of records) {
    const job = makeJob('large')
    t.equal(host.give(job, 0, record, undefined), true)
    host.takeBack(job)
  }
  t.equal(host.isBehind, false)
  t.equal(host.give(makeJob('small'), 0, null, undefined), false)
  t.equal(host.isBehind, true)
  t.equal(actor.take(), undefined)
  t.equal(host.isBehind, false)
  t.equal(host.give(makeJob('small'), 0, null, undefined), true)
})

t.test('of 3 jobs of which the first lies above a passed-over place, the last given are taken back first', async (t) => {
  const { host, actor } = bothEnds(t)
  const give = (name: string, isMovable = true) => {
    const job = makeJob(name, isMovable)
    t.ok(host.give(job, 0, null, undefined), name)
    return job
  }
  give('long')
  actor.started(actor.take()!.id, 1)
  give('first')
  for (let n = 2; n < PLACES; n++) host.takeBack(give(`gone ${n}`))
  give('second')
  give('third')
  t.strictSame(host.takeBackMany(2).map(({ name }) => name), ['second', 'third'])
  t.strictSame([...host.jobs()].map(({ name }) => name).sort(), ['first', 'long'])
})

t.test('a job that runs while 2 GiB of others go by cannot be taken back, nor is another in its stead', async (t) => {
  const { host, actor } = bothEnds(t)
  const long = makeJob('long')
  host.give(long, 0, null, undefined)
  actor.started(actor.take()!.id, 1)
  const run = (value: unknown) => {
    const job = makeJob('other')
    host.give(job, 0, value, undefined)
    const { position } = job
    actor.reply(actor.take()!.id, 1, OK, null)
    host.drain(() => {})
    return position
  }
  // records of 16 bytes up to the end of the ring, then of 8 KiB: one begins where the long one stood, in each round
  while ((run(null) + 16) % RING_BYTES !== 0);
  const text = 'x'.repeat(8192 - 16)
  // a text has to have room for 3 bytes a character, so the last two places of the ring are passed over
  while (run(text) !== RING_BYTES - 2 ** 31 - 3 * 8192);
  const next = makeJob('next')
  host.give(next, 0, text, undefined)
  t.equal(next.position - (RING_BYTES - 2 ** 31), long.position)
  t.notOk(host.takeBack(long))
  t.equal(host.depth, 2)
  t.equal(actor.take()?.id, next.id)
})

t.test('an id that is seen again after 0x7fffffff others is not taken for cancelled', async (t) => {
  const { host, actor } = bothEnds(t, 0x7fffffff)
  const [before, after] = [makeJob('before'), makeJob('after')]
  host.give(before, 0, null, undefined)
  const { id } = actor.take()!
  host.cancel(before)
  t.ok(actor.isCancelled(id))
  actor.reply(id, 1, OK, null)
  host.drain(() => {})
  while (!after.id) {
    host.give(after, 0, null, undefined)
    if (after.id % PLACES !== id % PLACES) host.takeBack(after)
  }
  t.equal(after.id, PLACES - 1, 'the same place')
  t.notOk(actor.isCancelled(id))
})

t.test('the bell rings once each time it is asked for', async (t) => {
  const heard: unknown[] = []
  const { host, actor } = bothEnds(t, 1, (message) => heard.push(message))
  const rings = async () => {
    heard.length = 0
    for (let left = 2; left > 0; left--) actor.ring()
    host.readMessages()
    await new Promise(setImmediate)
    return heard.length
  }
  t.equal(await rings(), 0)
  host.arm()
  t.equal(await rings(), 1)
  t.equal(await rings(), 0)
})

t.test('an actor in its event loop is sent one message by the first of two jobs, and none where it looks by itself', async (t) => {
  const { host, actor } = bothEnds(t)
  const sent = () => receiveMessageOnPort(host.ports.bell)?.message
  const give = () => host.give(makeJob('job'), 0, null, undefined)
  give()
  t.equal(sent(), undefined)
  t.equal(actor.waitInLoop(() => actor.hasRequest), false, 'there is work already')
  t.equal(host.isInLoop, false)
  actor.take()
  t.equal(actor.waitInLoop(() => actor.hasRequest), true)
  t.strictSame([host.isInLoop, host.isWaking], [true, false])
  give()
  t.strictSame([host.isInLoop, host.isWaking], [true, true])
  give()
  t.strictSame([sent(), sent()], [0, undefined])
  actor.awake()
  t.strictSame([host.isInLoop, host.isWaking], [false, false])
})

t.test('what is told is read before the next job; HALT is taken off, STOP stays', async (t) => {
  const { host, actor } = bothEnds(t)
  const news = { type: 'tell', seq: 1, job: 0, value: 'v' } as const
  t.strictSame([actor.mustLook, actor.mustHalt, actor.mustStop], [false, false, false])
  host.tell(news)
  t.strictSame([actor.mustLook, actor.mustHalt, actor.mustStop], [true, false, false])
  const read: unknown[] = []
  actor.readNews((message) => read.push(message))
  t.strictSame(read, [news])
  t.equal(actor.mustLook, false)
  host.halt()
  t.strictSame([actor.mustLook, actor.mustHalt, actor.mustStop], [false, true, false])
  host.unhalt()
  t.equal(actor.mustHalt, false)
  host.stop()
  t.strictSame([actor.mustLook, actor.mustHalt, actor.mustStop], [true, true, true])
})

t.test('an actor is deaf until its event loop has read of as many cancelled jobs as were told', async (t) => {
  const { host, actor } = bothEnds(t)
  const jobs = [makeJob('one'), makeJob('two')]
  for (const job of jobs) host.give(job, 0, null, undefined)
  t.equal(host.isDeaf, false)
  for (const job of jobs) host.cancel(job)
  actor.heard()
  t.equal(host.isDeaf, true)
  actor.heard()
  t.equal(host.isDeaf, false)
})

t.test('what was logged before a reply is handed over before it', async (t) => {
  const seen: unknown[] = []
  const { host, actor } = bothEnds(t, 1, (message) => seen.push(message))
  const log = { type: 'log', id: 1, level: 30, args: ['text'] } as const
  for (const name of ['one', 'two']) host.give(makeJob(name), 0, null, undefined)
  actor.log(log)
  for (let left = 2; left > 0; left--) actor.reply(actor.take()!.id, 1, OK, null)
  host.drain(({ name }) => seen.push(name))
  t.strictSame(seen, [log, 'one', 'two'])
})

/** What is done to both mailboxes; a job is named by its number among all that were given, modulo. */
const operations = fc.array(fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('give' as const), kind: fc.nat(2), isMovable: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('fill' as const), count: fc.integer({ min: 1, max: PLACES }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('rounds' as const), count: fc.integer({ min: 1, max: 600 }) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('takeBack' as const), job: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('takeBackMany' as const), limit: fc.nat(8), all: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('cancel' as const), job: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('halt' as const, 'unhalt' as const), job: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('drain' as const) }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('step' as const), count: fc.integer({ min: 1, max: 9 }) }) }
), { maxLength: 30 })
const firstIds = fc.constantFrom(1, 0x7fffffff, 0x7fffffff - 3, 0x7fffffff - 520)

/** A job that is short, one that takes longer, and one that awaits until it is cancelled. */
const kinds: readonly SimulatedJob[] = [{ runMs: 0.01 }, { runMs: 0.5 },
  { runMs: 0, ends: 'never', isAsync: true, obeys: true }]

t.test('the mailbox and that of the simulator mean the same, over 200 sequences', async (t) => {
  fc.assert(fc.property(operations, firstIds, (all, firstId) => new Twins(firstId).run(all)), { numRuns: 200 })
})

/** The simulated actor decides what happens; the real end of the actor is taken along, and all is compared. */
class Twins {
  readonly #clock = new VirtualClock({ timerMs: () => 0, soonMs: () => 0.01 })
  readonly #host: HostEnd<Job>
  readonly #actor: ActorEnd
  readonly #simulated: SimulatedMailbox<Job>
  /** all that were given, as each of the two has them */
  readonly #given: (readonly [real: Job, simulated: Job])[] = []

  constructor (firstId: number) {
    this.#host = new HostEnd(() => {}, 0, firstId)
    this.#actor = new ActorEnd(this.#host.buffer, this.#host.ports)
    const load = new Load(1)
    load.openTier = 1
    const [soon, never] = [() => 0.01, () => false]
    this.#simulated = new SimulatedMailbox({
      clock: this.#clock,
      jobs: ['job'],
      places: PLACES,
      bootMs: soon,
      bootDies: never,
      stepMs: soon,
      wakeMs: soon,
      bellMs: soon,
      endMs: soon,
      exitMs: soon,
      lingerMs: soon,
      watch: {
        given () {},
        read () {},
        lingers () {},
        heard: () => true,
        claimed: (job) => this.#same(this.#actor.take()?.id, this.#realOf(job as Job).id, 'the job that is claimed'),
        started: (job) => {
          const real = this.#realOf(job as Job)
          this.#actor.started(real.id, this.#clock.now())
          if (!kinds[real.kind]!.isAsync) this.#actor.running(real.id)
        },
        replied: (job) => {
          const { id, kind } = this.#realOf(job as Job)
          this.#actor.reply(id, 1, kinds[kind]!.isAsync ? ERROR : OK, null)
          if (!kinds[kind]!.isAsync) this.#actor.running(0)
        }
      }
    }, { slot: 0, tier: 1, metric: 'demand', asyncPerActor: 3 }, load, () => {}, () => {})
    this.#simulated.begin()
  }

  run (all: readonly Operation[]): void {
    try {
      for (const operation of all) {
        this.#do(operation)
        this.#compare(JSON.stringify(operation))
      }
      // a death
      this.#simulated.end(new Error('killed'))
      this.#drain()
      this.#takeBackMany(Infinity, true)
      this.#compare('death')
      this.#host.clear()
      this.#simulated.clear()
      this.#compare('clear')
    } finally {
      this.#host.close()
      this.#actor.close()
    }
  }

  #do (operation: Operation): void {
    const { op } = operation
    if (op === 'give') this.#give(operation.kind, operation.isMovable)
    else if (op === 'fill') for (let left = operation.count; left > 0; left--) this.#give(0, true)
    else if (op === 'rounds') {
      for (let left = operation.count; left > 0; left--) {
        this.#give(0, true)
        for (let steps = 0; steps < 8; steps++) this.#clock.step()
        this.#drain()
      }
    } else if (op === 'step') for (let left = operation.count; left > 0; left--) this.#clock.step()
    else if (op === 'drain') this.#drain()
    else if (op === 'takeBackMany') this.#takeBackMany(operation.limit === 8 ? Infinity : operation.limit, operation.all)
    else if (op === 'halt' || op === 'unhalt') {
      this.#host[op]()
      this.#simulated[op]()
    } else if (this.#given.length > 0) {
      const [real, simulated] = this.#given[operation.job % this.#given.length]!
      if (op === 'takeBack') this.#same(this.#host.takeBack(real), this.#simulated.takeBack(simulated), real.name)
      else if (real.id !== 0) {
        this.#host.cancel(real)
        this.#same(this.#actor.isCancelled(real.id), true, 'is cancelled')
        this.#simulated.cancel(simulated)
      }
    }
  }

  #give (kind: number, isMovable: boolean): void {
    const name = String(this.#given.length)
    const real = makeJob(name, isMovable, kind)
    const simulated = makeJob(name, isMovable, kind)
    this.#given.push([real, simulated])
    const isGiven = this.#host.give(real, 0, null, undefined)
    this.#same(isGiven, this.#simulated.give(simulated, 0, kinds[kind], undefined), `job ${name} is given`)
    if (isGiven) this.#same(this.#actor.isCancelled(real.id), false, `job ${name} is cancelled`)
  }

  #drain (): void {
    const read: unknown[][] = [[], []]
    const note = (at: number) => ({ name }: Job, status: number, _value: unknown, startedAtMs: number) => {
      read[at]!.push([name, status, startedAtMs])
    }
    this.#same(this.#host.drain(note(0)), this.#simulated.drain(note(1)), 'replies')
    this.#same(read[0], read[1], 'replies')
  }

  #takeBackMany (limit: number, all: boolean): void {
    const namesOf = (jobs: Job[]) => jobs.map(({ name }) => name)
    const real = namesOf(this.#host.takeBackMany(limit, all))
    this.#same(real, namesOf(this.#simulated.takeBackMany(limit, all)), 'taken back')
  }

  #compare (after: string): void {
    const [host, simulated] = [this.#host, this.#simulated]
    const view = (mailbox: typeof host | typeof simulated) => ({
      depth: mailbox.depth,
      hasReply: mailbox.hasReply,
      isHalted: mailbox.isHalted,
      running: mailbox.running?.name,
      jobs: [...mailbox.jobs()].sort((one, other) => Number(one.name) - Number(other.name))
        .map((job) => [job.name, mailbox.startedAtMs(job), mailbox.jobOf(job.id) === job])
    })
    this.#same(view(host), view(simulated), `after ${after}`)
    this.#same(this.#actor.mustHalt, simulated.isHalted, `told to halt after ${after}`)
  }

  #realOf (job: Job): Job { return this.#given[Number(job.name)]![0] }

  #same (real: unknown, simulated: unknown, what: string): void {
    assert.deepEqual(real, simulated, what)
  }
}

type Operation = typeof operations extends fc.Arbitrary<readonly (infer One)[]> ? One : never

function makeJob (name: string, isMovable = true, kind = 0) {
  return { name, id: 0, position: 0, isMovable, kind }
}
