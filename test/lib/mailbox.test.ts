// Both ends of one mailbox in one thread: which jobs can be taken back.
import t from 'tap'
import { ActorEnd, HostEnd, OK, PLACES } from '#lib/mailbox'

t.test('jobs are taken back in the order given, also past the place of one that has run through all others', (t) => {
  const host = new HostEnd<ReturnType<typeof makeJob>>(() => {})
  const actor = new ActorEnd(host.buffer, host.ports)
  t.teardown(() => {
    host.close()
    actor.close()
  })
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

function makeJob (name: string) {
  return { name, id: 0, position: 0, isMovable: true }
}
