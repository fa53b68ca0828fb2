'use strict'
// The server's book: every job offered, how it ended, and how often it began and settled; kept in a fixed space.
const { channels } = require('#lib/index')
const { anyEnd, CELLS, innocent, kinds, KEYS, PLACES, versionPlace } = require('./kinds.js')

const REFUSED = ['OVERLOADED', 'CLOSED', 'NOT_READY', 'UNAVAILABLE', 'QUARANTINED']
/** Texts of what was found wrong that are kept. */
const MOST = 20

exports.Ledger = class Ledger {
  /** starts by place, the last number of each key, starts of keyed jobs out of order, versions by thread */
  starts = new Int32Array(new SharedArrayBuffer(CELLS * 4))
  offered = 0
  accepted = 0
  settled = 0
  /** ends by code */
  ends = {}
  /** innocent jobs that ended with their thread: only killed threads and full heaps may do that */
  hurt = 0
  /** newest version of the jobs that a thread began with, and threads that began */
  newest = 0
  begun = 0
  wrong = []
  wrongs = 0
  #open = new Map()
  #ids = new Int32Array(PLACES).fill(-1)
  #settles = new Uint8Array(PLACES)
  /** least and most starts that are right, and least and most settles: four numbers a place */
  #right = new Uint8Array(PLACES * 4)
  /** kind and end by place, as an index of `#texts` */
  #ended = new Uint16Array(PLACES)
  #texts = []

  constructor (poolOf) {
    channels.accepted.subscribe(({ pool }) => { if (pool === poolOf()) this.accepted++ })
    channels.settled.subscribe(({ pool, requestId }) => {
      if (pool !== poolOf()) return
      this.settled++
      if (requestId !== undefined) this.#settles[Number(requestId) % PLACES]++
    })
  }

  get open () { return this.#open.size }
  get outOfOrder () { return this.starts[PLACES + KEYS] }

  /** A thread is made; call what this returns when it has ended, or in the end. `version`: that of the file now. */
  thread (threadId, version) {
    const place = versionPlace(threadId)
    this.starts[place] = 0
    return () => {
      const loaded = this.starts[place]
      if (loaded === 0) return // it never began
      this.begun++
      this.newest = Math.max(this.newest, loaded)
      if (loaded < version) this.fault(`thread ${threadId} began with version ${loaded} of the jobs, when it was made there was ${version}`)
    }
  }

  offer (id, kind) {
    const place = id % PLACES
    this.#audit(place)
    this.#ids[place] = id
    this.starts[place] = this.#settles[place] = 0
    this.offered++
    this.#open.set(id, kind)
  }

  /**
   * A job's promise settled; `isCancelled`: its caller asked for it; `wasVacant`: there was a moment since it was
   * offered when no actor was left that could run it.
   */
  end (id, { kind, idempotent, isCancelled, wasVacant }, error, isThrown, isValue) {
    if (!this.#open.delete(id)) return this.fault(`job ${id} (${kind}): its promise settled without an offer`)
    const code = !isThrown ? 'ok' : String(error?.code ?? '').match(/^FST_ERR_SPILLOVER_(.+)/)?.[1] ?? 'own'
    this.ends[code] = (this.ends[code] ?? 0) + 1
    if (!isThrown && !isValue) this.fault(`job ${id} (${kind}): a wrong value`)
    const text = `${kind} ${code}${idempotent ? ' idempotent' : ''}`
    const known = this.#texts.indexOf(text)
    this.#ended[id % PLACES] = known < 0 ? this.#texts.push(text) - 1 : known
    // any job may end with its thread, which was killed, or whose heap another job has filled
    const endedWithThread = code === 'ACTOR_EXIT' || code === 'OUT_OF_MEMORY'
    if (endedWithThread && Object.hasOwn(innocent, kind)) this.hurt++
    const isRight = kinds[kind].ends.includes(code) || anyEnd.includes(code) || endedWithThread
    if (!isRight || (code === 'CANCELLED' && !isCancelled) || (code === 'UNAVAILABLE' && !wasVacant)) {
      this.fault(`job ${id} (${kind}): ended with ${code}: ${String(error?.message ?? error).slice(0, 200)}`)
    }
    const isRefused = REFUSED.includes(code)
    // where no job began: refused, never sent, or taken back in time; a job that was killed may have begun or not
    const isUnstarted = isRefused || code === 'QUEUE_TIMEOUT' || code === 'INPUT_UNCLONEABLE' ||
      / before it started/.test(code === 'CANCELLED' ? error.message : '') || error?.started === false
    const hasBegun = code === 'ok' || code === 'own' || code === 'RESULT_UNCLONEABLE'
    // UNAVAILABLE is told at the door, or to jobs that wait; one of those may wait for its second run
    const isGone = code === 'UNAVAILABLE'
    const settles = isGone ? [0, 1] : isRefused ? [0, 0] : code === 'CANCELLED' ? [0, 1] : [1, 1]
    const mostStarts = isGone && idempotent ? 1 : isUnstarted ? 0 : idempotent ? 2 : 1
    this.#right.set([hasBegun ? 1 : 0, mostStarts, ...settles], id % PLACES * 4)
  }

  /** Look at all places that are not yet looked at. */
  close () {
    for (const [id, kind] of this.#open) this.fault(`job ${id} (${kind}): lost, its promise never settled`)
    for (let place = 0; place < PLACES; place++) this.#audit(place)
  }

  fault (text) {
    this.wrongs++
    if (this.wrong.length < MOST) this.wrong.push(text)
  }

  #audit (place) {
    const id = this.#ids[place]
    if (id < 0 || this.#open.has(id)) return
    this.#ids[place] = -1
    const [leastStarts, mostStarts, leastSettles, mostSettles] = this.#right.subarray(place * 4, place * 4 + 4)
    const starts = this.starts[place]
    const settles = this.#settles[place]
    const job = `job ${id} (${this.#texts[this.#ended[place]]})`
    if (starts < leastStarts || starts > mostStarts) {
      this.fault(`${job}: began ${starts} times, right is ${leastStarts} to ${mostStarts}`)
    }
    if (settles < leastSettles || settles > mostSettles) {
      this.fault(`${job}: settled ${settles} times, right is ${leastSettles} to ${mostSettles}`)
    }
  }
}
