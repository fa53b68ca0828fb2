'use strict'
// The ledger at the end of a chaos: what was counted, and what must be true of it.

const failed = []
let passed = 0

/** One thing that must be true; a failed one is printed at the end. */
exports.check = (text, isTrue, got) => {
  if (isTrue) passed++
  else failed.push(got === undefined ? text : `${text}: got ${typeof got === 'string' ? got : JSON.stringify(got)}`)
}
exports.failures = () => ({ failed, passed })
exports.sum = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0)
/** Of no kind are there more than before. */
exports.hasNoMore = (after, before) => Object.entries(after).every(([kind, count]) => count <= (before[kind] ?? 0))

const { check, hasNoMore, sum } = exports
const mb = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`
const list = (counts) => Object.entries(counts).sort(([, one], [, other]) => other - one)
  .map(([key, count]) => `${key} ${count}`).join(', ')

exports.report = ({ seconds, options, faults, version, clients, ledger, before, after, closed, exit }) => {
  const { counters, ends } = ledger
  const refused = ends.OVERLOADED ?? 0
  const lost = ledger.accepted - ledger.settled
  const doubled = ledger.wrong.filter((text) => /began [2-9]|settled [2-9]/.test(text)).length
  console.log(`faults     ${list(faults)}; of jobs: ${counters.restarts} threads replaced, ${counters.kills} killed for ` +
    `a timeout or cancel, ${counters.outOfMemory} heaps full, ${counters.strays} late errors`)
  console.log(`requests   ${clients.sent} sent, ${clients.answered} answered, ${clients.left} left, ${clients.hung} hung, ` +
    `${clients.broken} broken; by status: ${list(clients.status)}; ${clients.light} of them light`)
  console.log(`modules    ${version} versions of the jobs, ${ledger.begun} threads began, the newest with version ${ledger.newest}`)
  console.log(`offered    ${ledger.offered}`)
  console.log(`refused    ${refused}`)
  console.log(`accepted   ${ledger.accepted}`)
  console.log(`settled    ${ledger.settled}: ${list(ends)}`)
  console.log(`lost       ${lost}`)
  console.log(`doubled    ${doubled}`)
  console.log(`taken back ${counters.takenBack}`)
  console.log(`hurt       ${ledger.hurt} innocent jobs that ran on threads killed from outside or with a full heap`)
  for (const [name, numbers] of Object.entries({ before, after, closed })) {
    const { rss, heapUsed, external, arrayBuffers, threads, files, handles } = numbers
    const { alive, zombies = 0, heapsUsed = 0 } = numbers
    console.log(`${name.padEnd(10)} RSS ${mb(rss)}: heap ${mb(heapUsed)}, external ${mb(external)}, ` +
      `buffers ${mb(arrayBuffers)}, heaps of ${alive} threads ${mb(heapsUsed)}, ${zombies} zombies; ` +
      `${sum(threads)} threads, ${sum(files)} files, handles ${JSON.stringify(handles)}`)
  }
  for (const text of [...ledger.wrong, ...clients.wrong]) console.log(`WRONG      ${text}`)

  const settledByCounters = sum(counters.settled)
  check(`at least ${seconds * 3} jobs were accepted`, ledger.accepted >= seconds * 3, ledger.accepted)
  check('lost is 0', lost === 0 && ledger.open === 0 && ledger.pending === 0, { lost, open: ledger.open, pending: ledger.pending })
  check('doubled is 0', doubled === 0, doubled)
  check('every job began, settled and ended as is right for it', ledger.wrongs === 0, ledger.wrongs)
  check('jobs of a key began in the order accepted', ledger.outOfOrder === 0, ledger.outOfOrder)
  check("the pool's counters agree: accepted", counters.accepted === ledger.accepted, [counters.accepted, ledger.accepted])
  check("the pool's counters agree: settled", settledByCounters === ledger.settled, [settledByCounters, ledger.settled])
  check("the pool's counters agree: refused", counters.refused === refused, [counters.refused, refused])
  check('threads began with newer versions of the jobs', ledger.newest > 1 || version < 5, [ledger.newest, version])
  check('every request was answered, but those of clients that left', clients.hung === 0 && clients.broken === 0 &&
    clients.sent === clients.answered + clients.left, clients)
  check('every answer belongs to its request, and a light route is never refused', clients.wrong.length === 0, clients.wrong[0])
  check('no job is given and taken back again and again: less than 3 times as often as jobs were accepted',
    counters.takenBack < ledger.accepted * 3, [counters.takenBack, ledger.accepted])
  const mayHurt = ((faults['thread killed'] ?? 0) + counters.outOfMemory) * options.asyncPerActor
  check(`innocent jobs are hurt only on killed threads and full heaps: at most ${mayHurt}`, ledger.hurt <= mayHurt, ledger.hurt)
  check('all of tier 1 is open again, higher tiers have retired', after.states.every((states, index) =>
    states.every((state) => index === 0 ? state === 'open' : state !== 'open')), after.states)
  check('no more threads than before', hasNoMore(after.threads, before.threads), [before.threads, after.threads])
  check('no more open files than before', hasNoMore(after.files, before.files), [before.files, after.files])
  check('no more handles than before', Object.entries(after.handles).every(([type, count]) =>
    type.startsWith('TCPSocket') || count <= (before.handles[type] ?? 0)), [before.handles, after.handles])
  check('heap within 16 MB of before', after.heapUsed < before.heapUsed + 16 * 2 ** 20, [before.heapUsed, after.heapUsed])
  check('RSS below 1.5 times that before, and 64 MB', after.rss < before.rss * 1.5 + 64 * 2 ** 20, [before.rss, after.rss])
  check('after close() no thread is left', closed.alive === 0, closed.alive)
  check('after close() no timer or socket is left', Object.keys(closed.handles).every((type) =>
    /^(PipeWrap|Immediate)$/.test(type)), closed.handles)
  check('the process ends by itself with status 0', exit === 0, exit ?? 'still there after 10 s')
}
