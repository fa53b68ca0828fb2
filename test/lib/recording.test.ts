// The trace file: groups, lanes, slices, counters and open tiers, from given times.
import t from 'tap'
import { Recording } from '#lib/recording'

const slots = [{ id: 0, cpu: 0, tier: 1 }, { id: 1, cpu: null, tier: 2 }] as const
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
    [2, 256, 1000, 10_000], [1, 0, 2000, 5000], [2, 257, 5000, 1000], [1, 0, 8000, 2500]
  ])
  t.strictSame(slices.at(-1)!.args, { outcome: 'ok', requestId: 'r-1', waitMs: 1, borderMs: 0.5 })
  const names = traceEvents.filter(({ name }) => name === 'thread_name' || name === 'process_name')
  t.strictSame(names.map(({ pid, args }) => [pid, args!.name]),
    [[0, 'pool'], [1, 'tier 1'], [2, 'tier 2'], [1, 'actor 0, cpu 0'], [2, 'actor 1'], [2, 'actor 1 (2)']])
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
  const recording = new Recording(slots, 10, 2)
  recording.gate(12, 1)
  recording.gate(15, 3)
  recording.gate(16, 2)
  const gates = recording.end(20, { pool: 'default' })
  t.strictSame(gates.traceEvents.filter(({ cat }) => cat === 'gate').map(({ name, ph, ts }) => [name, ph, ts]), [
    ['tier 2 open', 'b', 0], ['tier 2 open', 'e', 2000], ['tier 2 open', 'b', 5000], ['tier 2 open', 'e', 10_000],
    ['tier 3 open', 'b', 5000], ['tier 3 open', 'e', 6000]
  ])
  t.strictSame(gates.otherData, { pool: 'default', seconds: 0.01, eventsLeftOut: 0 })
})
