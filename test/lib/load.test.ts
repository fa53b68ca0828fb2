// The shared count of active actors: idempotent for each slot, one count for two views of one buffer.
import t from 'tap'
import { Worker } from 'node:worker_threads'
import { Load } from '#lib/load'

t.test('a slot counts once however often it enters or leaves', async (t) => {
  const load = new Load(4)
  t.equal(load.active, 0)
  load.enter(2)
  load.enter(2)
  t.equal(load.active, 1)
  load.leave(2)
  load.leave(2)
  t.equal(load.active, 0)
  load.leave(3)
  t.equal(load.active, 0, 'leaving without having entered')
  load.enter(2)
  t.equal(load.active, 1, 'and enters again')
})

t.test('32 slots are counted to 32 and back to 0', async (t) => {
  const load = new Load(32)
  const slots = Array.from({ length: 32 }, (_, slot) => slot)
  t.same(slots.map((slot) => { load.enter(slot); return load.active }), slots.map((slot) => slot + 1))
  t.same(slots.map((slot) => { load.leave(slot); return load.active }), slots.map((slot) => 31 - slot))
})

t.test('two views of one buffer share the count, the tier and the backlog', async (t) => {
  const host = new Load(3)
  const actor = new Load(host.buffer)
  host.enter(0)
  actor.enter(0)
  actor.enter(1)
  t.same([host.active, actor.active], [2, 2])
  host.leave(1)
  actor.leave(0)
  t.same([host.active, actor.active], [0, 0])
  host.openTier = 3
  host.backlog = 17
  t.same([actor.openTier, actor.backlog, actor.active], [3, 17, 0], 'three words of their own')
})

t.test('a buffer for 3 slots has 6 cells of 128 bytes', async (t) => {
  t.equal(new Load(3).buffer.byteLength, 768)
})

t.test('a thread and this one, 20,000 times each over the same 4 slots, leave the count at the slots held', async (t) => {
  const load = new Load(4)
  const worker = new Worker(`
    const { workerData } = require('node:worker_threads')
    const { Load } = require(workerData.module)
    const load = new Load(workerData.buffer)
    for (let i = 0; i < 20000; i++) { load.enter(i & 3); load.leave((i + 1) & 3) }
    for (let slot = 0; slot < 4; slot++) load.leave(slot)
  `, { eval: true, workerData: { module: require.resolve('#lib/load'), buffer: load.buffer } })
  const ended = new Promise<number>((resolve, reject) => { worker.on('exit', resolve).on('error', reject) })
  for (let i = 0; i < 20000; i++) {
    load.enter(i & 3)
    load.leave((i + 3) & 3)
  }
  t.equal(await ended, 0)
  for (let slot = 0; slot < 4; slot++) load.leave(slot)
  t.equal(load.active, 0)
  load.enter(1)
  t.equal(load.active, 1)
})
