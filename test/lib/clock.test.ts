// The machine's clock: what waits for it does not keep a process alive, but holding does.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { readBothClocks } from '#lib/clock'

const clock = JSON.stringify(join(__dirname, '..', '..', 'dist', 'lib', 'clock.js'))
const run = (body: string): string =>
  spawnSync(process.execPath, ['-e', `const clock = require(${clock}).systemClock(); ${body}`],
    { encoding: 'utf8', timeout: 30_000, env: { PATH: process.env.PATH } }).stdout

t.test('a timer of an hour does not keep the process alive', async (t) => {
  t.equal(run("clock.after(3_600_000, () => console.log('late')); process.on('exit', () => console.log('ended'))"), 'ended\n')
})

t.test('while it is held the process lives, and a timer fires; let go, it ends', async (t) => {
  t.equal(run("clock.hold(true); clock.after(1, () => { console.log('fired'); clock.hold(false) })"), 'fired\n')
})

t.test('a timer of 2^31 ms and more does not fire at once, and Node does not warn of it', async (t) => {
  t.equal(run(`process.on('warning', ({ name }) => console.log(name))
    clock.hold(true)
    for (const ms of [2 ** 31, 2 ** 40]) clock.after(ms, () => console.log('early'))
    clock.after(50, () => { console.log('timer'); clock.close() })`), 'timer\n')
})

t.test('a timer that was cancelled does not fire; soon fires before it', async (t) => {
  t.equal(run(`clock.hold(true)
    clock.after(1, () => console.log('cancelled')).cancel()
    clock.after(20, () => { console.log('timer'); clock.close() })
    clock.soon(() => console.log('soon'))`), 'soon\ntimer\n')
})

t.test('both clocks are read at one moment, also where the thread loses its CPU between the two in 4 of 5 tries', async (t) => {
  const { bigint } = process.hrtime
  t.teardown(() => { process.hrtime.bigint = bigint })
  const offsetMs = (): number => {
    const [clock, ms] = readBothClocks()
    return Number(clock) / 1e6 - ms
  }
  const expectedMs = offsetMs()
  let readings = 0
  process.hrtime.bigint = () => {
    const clock = bigint()
    const untilMs = performance.now() + (readings++ % 5 === 3 ? 0 : 20)
    while (performance.now() < untilMs);
    return clock
  }
  t.ok(Math.abs(offsetMs() - expectedMs) < 5)
  t.equal(readings, 5)
})
