// Not a measurement: every payload through a pool of two threads, each result looked at.
import { isDeepStrictEqual } from 'node:util'
import { work } from '../jobs/jobs.js'
import { payloads } from '../payloads.js'
import { openPinned } from '../pool.js'

/** @returns how many results were right, and what was wrong */
export default async function verify (spec) {
  const { pool } = await openPinned({ ...spec, actors: 2 })
  let right = 0
  const wrong = []
  const check = (what, isRight) => {
    if (isRight) right++
    else wrong.push(what)
  }
  for (const [name, { job, make, isRight, moved }] of Object.entries(payloads)) {
    const send = moved ? pool.move : pool.call
    if (send === undefined) continue
    const inputs = Array.from({ length: 4 }, make)
    const results = await Promise.all(inputs.map((input) => send(job, input)))
    check(name, results.every(isRight))
    if (moved && spec.variant !== 'inline') check(`${name} is gone here`, inputs.every(({ length }) => length === 0))
  }
  const numbered = Array.from({ length: 200 }, (_, index) => ({ index }))
  check('each its own', isDeepStrictEqual(await Promise.all(numbered.map((one) => pool.call('echo', one))), numbered))
  check('work', await pool.call('work', 1000) === work(1000))
  await pool.close()
  return { right, wrong }
}
