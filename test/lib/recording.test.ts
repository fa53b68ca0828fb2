// The trace file: groups, lanes, slices, counters and open tiers, from given times.
import t from 'tap'
import { Recording } from '#lib/recording'
import { faultsOf } from '../fixtures/traceformat'

const slots = [{ id: 0, cpu: 0, tier: 1 }, { id: 1, cpu: null, tier: 2 }] as const
const three = [...slots, { id: 2, cpu: null, tier: 3 }] as const
const run = { job: 'hash', waitMs: 1, borderMs: 0.5, outcome: 'ok' }

t.test('two jobs of one actor after each other share its lane; of two at once the second has another', async (t) => {
  const recording = new Recording(slots, 100, 1)
  recording.run({ ...run, slot: 0, startedAtMs: 102, runMs: 5 })
  recording.run({ ...run, slot: 0, startedAtMs: 108, runMs: 2.5, requestId: 'r-1' })
  recording.run({ ...run, slot: 1, startedAtMs: 101, runMs: 10 })
  recording.run({ ...run, slot: 1, startedAtMs: 105, runMs: 1 })
  const { traceEvents } = recording.end(120)
  const slices = traceEvents.filter(({ ph }) => ph === 'X')
  t.strictSame(slices.map(({ pid, tid, ts, dur }) => [pid, tid, ts, dur]), [
    [2, 512, 1000, 10_000], [1, 256, 2000, 5000], [2, 513, 5000, 1000], [1, 256, 8000, 2500]
  ])
  t.strictSame(slices.at(-1)!.args, { outcome: 'ok', requestId: 'r-1', waitMs: 1, borderMs: 0.5 })
  const names = traceEvents.filter(({ name }) => name === 'thread_name' || name === 'process_name')
  t.strictSame(names.map(({ pid, args }) => [pid, args!.name]),
    [[4, 'pool'], [1, 'tier 1'], [2, 'tier 2'], [4, 'tier 2 is open'], [1, 'actor 0, cpu 0'], [2, 'actor 1'], [2, 'actor 1 (2)']])
})

t.test('a run that seems to begin 1 µs before the last has ended begins with its end: a viewer drops what overlaps', async (t) => {
  const recording = new Recording(slots, 100, 1)
  recording.state(100, 0, 'open')
  recording.count(100, 1, 0)
  recording.run({ ...run, slot: 0, startedAtMs: 102, runMs: 5 })
  recording.run({ ...run, slot: 0, startedAtMs: 106.999, runMs: 1 })
  const trace = recording.end(120)
  t.strictSame(trace.traceEvents.filter(({ cat }) => cat === 'job').map(({ tid, ts, dur }) => [tid, ts, dur]),
    [[256, 2000, 5000], [256, 7000, 999]])
  t.strictSame(faultsOf(JSON.stringify(trace)), [])
})

t.test('the checker of traces finds what is wrong', async (t) => {
  const faults = (...traceEvents: object[]): string[] => faultsOf(JSON.stringify({ traceEvents }))
  const lane = { name: 'thread_name', ph: 'M', pid: 1, tid: 7, args: { name: 'actor 0' } }
  const slice = { name: 'a', cat: 'job', ph: 'X', pid: 1, tid: 7, ts: 1, dur: 2 }
  t.strictSame(faults(lane, slice), [])
  t.strictSame(faults(slice), ['0 a: a lane with a name'])
  t.strictSame(faults(lane, slice, { ...slice, ts: 2 }), ['a at 2 overlaps one that ends at 3 in lane 1/7'])
  t.strictSame(faults(lane, { ...slice, dur: 0 }), ['1 a: a duration above 0'])
  t.strictSame(faults(lane, { ...slice, ts: 1.5 }), ['1 a: a time, in whole microseconds'])
  t.strictSame(faults(lane, { ...slice, pid: 2, ph: 'C', args: { a: 1 } }), ['1 a: a lane is in one group'])
  t.strictSame(faults({ ...slice, tid: 0, ph: 'C', args: { a: 1 } }), ['0 a: pid and tid are integers above 0'])
  t.strictSame(faults({ ...slice, ph: 'C', args: { a: null } }), ['0 a: counters are numbers'])
  t.match(faultsOf('{ "traceEvents": [], "displayTimeUnit": "ms" }'), [/^displayTimeUnit/])
  t.strictSame(faultsOf('{}'), ['no list of events'])
})

t.test('counters are kept where they change: 4 readings, 3 points', async (t) => {
  const recording = new Recording(slots, 0, 1)
  const readings = [[0, 0, 0], [1, 1, 0], [2, 1, 0], [3, 1, 4]] as const
  for (const [atMs, active, backlog] of readings) recording.count(atMs, active, backlog)
  const counters = recording.end(5).traceEvents.filter(({ ph }) => ph === 'C')
  t.strictSame(counters.map(({ name, ts, args }) => [name, ts, Object.values(args!)[0]]), [
    ['active', 0, 0], ['backlog', 0, 0], ['active', 1000, 1], ['backlog', 1000, 0], ['active', 3000, 1], ['backlog', 3000, 4]
  ])
})

t.test('a tier is a slice while it is open; one still open ends with the recording', async (t) => {
  const recording = new Recording(three, 10, 2)
  recording.gate(12, 1)
  recording.gate(15, 3)
  recording.gate(16, 2)
  const gates = recording.end(20, { pool: 'default' })
  t.strictSame(gates.traceEvents.filter(({ cat }) => cat === 'gate').map(({ name, tid, ts, dur }) => [name, tid, ts, dur]), [
    ['tier 2 open', 6, 0, 2000], ['tier 2 open', 6, 5000, 5000], ['tier 3 open', 7, 5000, 1000]
  ])
  t.strictSame(gates.otherData, { pool: 'default', seconds: 0.01, eventsLeftOut: 0 })
})
