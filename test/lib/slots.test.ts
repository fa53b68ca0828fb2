// The life of the slots on a virtual clock, with threads that only note what they are told.
import t from 'tap'
import { Load } from '#lib/load'
import { VirtualClock } from '#lib/simulator/clock'
import { Slots } from '#lib/slots'
import type { Held, Mailbox } from '#lib/mailbox'
import type { Actor, SlotsOptions, Threads, Told } from '#lib/slots'
import type { Plan } from '#lib/index'

interface Thread {
  readonly told: Told
  readonly waits: boolean
  /** where it is to pin itself */
  cpu: number | null
  begun: boolean
  stopped: boolean
  killed: unknown
  isClosed: boolean
}

function plan (actors: number, hasCpus: boolean): Plan {
  const slots = Array.from({ length: actors }, (_, id) => ({ id, cpu: hasCpus ? id : null, tier: 1 as const }))
  return {
    strategy: 'explicit',
    tiers: [{ tier: 1, cpus: [], threshold: 0, slots }],
    reserved: [],
    quotaCpus: null,
    maxActors: actors,
    notes: []
  }
}

function start (actors: number, options: Partial<SlotsOptions> = {}, cpus: readonly number[] = []) {
  const clock = new VirtualClock({ timerMs: () => 0, soonMs: () => 0.01 })
  const threads: Thread[] = []
  const events: string[] = []
  const starter: Threads<Held> = {
    cpus,
    pinReasonOf: () => cpus.length > 0 ? null : 'not here',
    pinBy: () => {},
    async close () { events.push('closed') },
    start (_slot, _names, waits, told, cpu) {
      const thread: Thread = { told, waits, cpu, begun: false, stopped: false, killed: undefined, isClosed: false }
      threads.push(thread)
      const mailbox = {
        stop: () => { thread.stopped = true },
        tell: (message: { cpu: number }) => {
          thread.cpu = message.cpu
          told.moved(null)
        },
        close: () => { thread.isClosed = true }
      } as unknown as Mailbox<Held>
      return {
        mailbox,
        thread: undefined,
        closingMs: 0,
        isClosing: false,
        begin: () => { thread.begun = true },
        kill: (reason) => { thread.killed ??= reason }
      }
    }
  }
  const name = (actor: Actor<Held>) => `${actor.slot.id}`
  const slots = new Slots<Held>(plan(actors, cpus.length > 0),
    { maxRestarts: 2, withinMs: 1000, backoffMs: 50, bootTimeoutMs: 500, terminateMs: 200, ...options }, clock,
    new Load(actors), {
      opened: (actor) => events.push(`opened ${name(actor)}`),
      message: () => {},
      gone: (actor, _mailbox, reason) =>
        events.push(`gone ${name(actor)} ${reason === undefined ? 'stopped' : (reason as Error).message}`),
      changed: (actor) => events.push(`${name(actor)} ${actor.state}`),
      succeeded: (actor) => events.push(`succeeded ${name(actor)}`)
    }, starter)
  const open = (actor: Actor<Held>): void => {
    slots.open(actor).catch(() => {})
    threads.at(-1)!.told.ready(['job'], null)
  }
  /** Go to this time. */
  const at = (ms: number): void => {
    while (clock.step(ms));
    const goal = { isReached: false }
    clock.host(ms - clock.now(), () => { goal.isReached = true })
    while (!goal.isReached) clock.step()
  }
  const die = (thread: Thread, text: string): void => {
    thread.told.ended(new Error(text))
    thread.told.exited()
  }
  return { slots, clock, threads, events, open, at, die, actor: slots.actors[0]! }
}

t.test('the first death reopens the slot at once, the second after 50 ms, the third in 1 s fails it for 1 s', async (t) => {
  const { threads, open, at, die, actor } = start(1)
  open(actor)
  die(threads[0]!, 'first')
  at(0.1)
  t.equal(threads.length, 2)
  threads[1]!.told.ready(['job'], null)
  die(threads[1]!, 'second')
  at(50)
  t.equal(threads.length, 2, 'not within 50 ms')
  at(51)
  t.equal(threads.length, 3)
  threads[2]!.told.ready(['job'], null)
  die(threads[2]!, 'third')
  t.equal(actor.state, 'failed')
  t.match(actor.reason, /^3 deaths in 1000 ms, the last: Error: third$/)
  at(1050)
  t.equal(threads.length, 3)
  at(1052)
  t.equal(threads.length, 4, 'it is tried again')
  t.equal(actor.state, 'opening')
})

t.test('an actor that is replaced for a late error counts as a death: three of them fail the slot', async (t) => {
  const { slots, threads, open, at, actor } = start(1)
  open(actor)
  for (let late = 0; late < 3; late++) {
    slots.replace(actor, `late ${late}`)
    const thread = threads.at(-1)!
    t.ok(thread.stopped)
    thread.told.ended(undefined)
    thread.told.exited()
    at((late + 1) * 100)
    if (late < 2) threads.at(-1)!.told.ready(['job'], null)
  }
  t.equal(threads.length, 3)
  t.equal(actor.state, 'failed')
  t.match(actor.reason, /^3 deaths in 1000 ms, the last: late 2$/)
})

t.test('a slot does not open beside its thread that is still ending, before 200 ms have passed: then that is a zombie', async (t) => {
  const { slots, threads, open, at, actor } = start(1)
  open(actor)
  slots.kill(actor, new Error('it runs on'))
  t.match(threads[0]!.killed, { message: 'it runs on' })
  t.equal(actor.state, 'draining', 'it is given nothing meanwhile')
  threads[0]!.told.ended(new Error('it runs on'))
  at(199)
  t.equal(threads.length, 1)
  t.equal(actor.zombies, 0)
  at(201)
  t.equal(threads.length, 2)
  t.equal(actor.zombies, 1)
  threads[1]!.told.ready(['job'], null)
  t.equal(actor.state, 'open')
  threads[0]!.told.exited()
  t.equal(actor.zombies, 0, 'it has ended after all')
  t.equal(actor.state, 'open')
})

t.test('a thread that ends within its time is no zombie, and its slot opens right then', async (t) => {
  const { slots, threads, open, at, actor } = start(1)
  open(actor)
  slots.kill(actor, new Error('it runs on'))
  threads[0]!.told.ended(new Error('it runs on'))
  at(100)
  threads[0]!.told.exited()
  t.equal(threads.length, 2)
  at(400)
  t.equal(actor.zombies, 0)
})

t.test('recycling: the replacement is ready before the actor is told to end, and begins when it has ended', async (t) => {
  const { slots, threads, events, open, actor } = start(2)
  open(actor)
  open(slots.actors[1]!)
  t.equal(slots.recycle(actor, 'it is old'), true)
  t.equal(slots.recycle(slots.actors[1]!, 'it is old'), false, 'one at a time')
  const [old, , next] = threads as [Thread, Thread, Thread]
  t.equal(next.waits, true)
  t.equal(actor.state, 'open')
  t.equal(old.stopped, false)
  next.told.ready(['job'], null)
  t.same(events.splice(0).slice(-1), ['succeeded 0'])
  t.equal(old.stopped, false, 'what it has not claimed is taken back first')
  slots.handOver(actor)
  t.equal(old.stopped, true)
  t.equal(next.begun, false)
  old.told.ended(undefined)
  t.same(events, ['0 draining', '0 closed', 'gone 0 stopped', '0 open', 'opened 0'])
  t.equal(next.begun, true)
  t.equal(old.isClosed, true)
  t.equal(actor.restarts, 0, 'it is no restart')
  t.equal(slots.recycle(slots.actors[1]!, 'it is old'), true, 'now the other one')
})

t.test('an actor that dies while its replacement opens has it at once, without a pause', async (t) => {
  const { slots, threads, open, at, die, actor } = start(1)
  open(actor)
  slots.recycle(actor, 'it is old')
  die(threads[0]!, 'killed by a job')
  t.equal(actor.state, 'opening')
  at(100)
  t.equal(threads.length, 2)
  threads[1]!.told.ready(['job'], null)
  t.equal(actor.state, 'open')
  t.equal(threads[1]!.begun, true)
})

t.test('an actor that is killed has its replacement when the thread has exited: until then it may still write', async (t) => {
  const { slots, threads, open, actor } = start(1)
  open(actor)
  slots.recycle(actor, 'it is old')
  threads[1]!.told.ready(['job'], null)
  slots.kill(actor, new Error('stuck'))
  threads[0]!.told.ended(new Error('stuck'))
  t.equal(actor.state, 'closed')
  t.equal(slots.isRestarting(actor), true)
  threads[0]!.told.exited()
  t.equal(actor.state, 'open')
})

t.test('an actor whose thread exits before its end is told has its replacement when that is told', async (t) => {
  const { slots, threads, open, actor } = start(1)
  open(actor)
  slots.recycle(actor, 'it is old')
  threads[1]!.told.ready(['job'], null)
  threads[0]!.told.exited()
  t.equal(actor.state, 'open')
  threads[0]!.told.ended(new Error('stuck'))
  t.equal(actor.state, 'open')
  t.equal(threads[1]!.begun, true)
})

t.test('a replacement that cannot open leaves the actor as it is, with the reason, and 5 s pass before the next', async (t) => {
  const { slots, threads, open, at, die, actor } = start(1)
  open(actor)
  slots.recycle(actor, 'it is old')
  die(threads[1]!, 'no memory')
  t.equal(actor.state, 'open')
  t.match(actor.reason, /its replacement did not open: Error: no memory/)
  at(4999)
  t.equal(slots.recycle(actor, 'it is old'), false)
  at(5001)
  t.equal(slots.recycle(actor, 'it is old'), true)
})

t.test('a killed actor whose replacement then cannot open is opened again', async (t) => {
  const { slots, threads, open, at, die, actor } = start(1)
  open(actor)
  slots.recycle(actor, 'it is old')
  slots.kill(actor, new Error('stuck'))
  threads[0]!.told.ended(new Error('stuck'))
  die(threads[1]!, 'no memory')
  threads[0]!.told.exited()
  at(51)
  t.equal(threads.length, 3)
  t.equal(actor.state, 'opening')
})

t.test('a slot whose cpu goes while a replacement opens is vacant, and both threads are told to end', async (t) => {
  const { slots, threads, open, at, die, actor } = start(1)
  open(actor)
  slots.recycle(actor, 'it is old')
  slots.vacate(actor)
  t.equal(threads[0]!.stopped, true)
  t.match(threads[1]!.killed, { message: 'its cpu is gone' })
  threads[0]!.told.ended(undefined)
  t.equal(actor.state, 'vacant')
  die(threads[1]!, 'its cpu is gone')
  at(2000)
  t.equal(actor.state, 'vacant')
  t.equal(threads.length, 2)
})

t.test('a failed slot whose cpu goes is vacant at once, and is not tried again', async (t) => {
  const { slots, threads, events, open, at, die, actor } = start(1, { maxRestarts: 0 })
  open(actor)
  die(threads[0]!, 'killed by a job')
  t.equal(actor.state, 'failed')
  slots.vacate(actor)
  t.equal(actor.state, 'vacant')
  events.length = 0
  at(2000)
  t.strictSame([events, threads.length], [[], 1])
})

t.test('a slot that has a cpu again is told to be closed once more when the replacement that it dismissed has ended', async (t) => {
  const { slots, threads, events, open, die, actor } = start(1)
  open(actor)
  slots.recycle(actor, 'it is old')
  slots.vacate(actor)
  threads[0]!.told.ended(undefined)
  threads[0]!.told.exited()
  slots.occupy(actor, { id: 0, cpu: 4, tier: 1 })
  t.strictSame([actor.state, slots.isRestarting(actor)], ['closed', true], 'nobody opens it now')
  events.length = 0
  die(threads[1]!, 'its cpu is gone')
  t.strictSame(events, ['0 closed'])
  t.equal(slots.isRestarting(actor), false)
  open(actor)
  t.equal(actor.state, 'open')
})

t.test('an actor that does not get ready within 500 ms is killed, with the limit in its error', async (t) => {
  const { threads, slots, at, actor } = start(1)
  const opening = slots.open(actor)
  at(501)
  t.match(threads[0]!.killed, { code: 'FST_ERR_SPILLOVER_BOOT_TIMEOUT', message: /500 ms/ })
  threads[0]!.told.ended(threads[0]!.killed)
  await t.rejects(opening, { code: 'FST_ERR_SPILLOVER_BOOT_TIMEOUT' })
})

t.test('close() kills what has not ended within its grace, and gives up a thread that never exits after 2 s', async (t) => {
  const { slots, threads, events, open, clock, actor } = start(2)
  open(actor)
  open(slots.actors[1]!)
  const close = { isDone: false }
  slots.close(10).then(() => { close.isDone = true }, () => {})
  t.same(threads.map(({ stopped }) => stopped), [true, true])
  threads[0]!.told.ended(undefined)
  threads[0]!.told.exited()
  while (threads[1]!.killed === undefined) {
    clock.step()
    await undefined
  }
  t.ok(clock.now() >= 10)
  threads[1]!.told.ended(threads[1]!.killed)
  while (!close.isDone) {
    clock.step()
    await undefined
  }
  t.ok(clock.now() >= 2010, `${clock.now()}`)
  t.equal(events.at(-1), 'closed')
})

t.test('no thread is pinned beside one that could not be ended: 3 cpus, up to 2 such threads, and back when they end', async (t) => {
  const { slots, threads, open, at, actor } = start(2, {}, [0, 1, 2])
  for (const each of slots.actors) open(each)
  const kill = (life: number): void => {
    const reason = new Error('stuck')
    slots.kill(actor, reason, true)
    threads[life]!.told.ended(reason)
  }
  kill(0)
  at(300)
  threads[2]!.told.ready(['job'], null)
  t.strictSame(threads.map(({ cpu }) => cpu), [0, 1, 1], 'the one of the plan')
  t.match(actor, { zombies: 1, pinned: false, pinReason: 'a thread that could not be ended holds cpu 0: it runs on cpu 1' })
  kill(2)
  at(600)
  threads[3]!.told.ready(['job'], null)
  t.strictSame(threads.map(({ cpu }) => cpu), [0, 2, 1, 2], 'the neighbour has left it too, for the only other one')
  t.match(slots.actors, [{ zombies: 2, pinned: false }, { zombies: 0, pinned: false }])
  kill(3)
  at(900)
  threads[4]!.told.ready(['job'], null)
  t.strictSame(threads.map(({ cpu }) => cpu), [0, 1, 1, 2, 0], 'none is free: each on its own')
  threads[0]!.told.exited()
  t.strictSame(threads.map(({ cpu }) => cpu), [0, 0, 1, 2, 0])
  for (const life of [2, 3]) threads[life]!.told.exited()
  t.strictSame(threads.map(({ cpu }) => cpu), [0, 1, 1, 2, 0])
  t.match(slots.actors, [{ zombies: 0, pinned: true, pinReason: null }, { zombies: 0, pinned: true, pinReason: null }])
})
