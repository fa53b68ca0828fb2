// The real server on virtual machines of chosen shapes: who may run where, who did, and when tiers open and close.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { shapesOf } from './arguments'
import { buildImage } from './image'
import { expectedPlan, parseList } from './shape'
import { findKernel, runMachine, whatIsMissing } from './vm'
import type { Test } from 'tap'
import type { Expected, Shape } from './shape'

const isCi = process.env.CI === 'true'
const shapes = shapesOf(process.argv.slice(2))
const missing = whatIsMissing()
const root = path.resolve(__dirname, '../..')
const hasAddon = fs.existsSync(path.join(root, 'prebuilds/linux-x64'))
/** Actors pin themselves; before they can, the masks are reported as not looked at. */
const canPin = fs.readdirSync(path.join(root, 'dist/lib')).some((name) => name.endsWith('.js') &&
  /native-affinity/.test(fs.readFileSync(path.join(root, 'dist/lib', name), 'utf8')))

if (missing !== null) {
  const what = `${shapes.length} virtual machines were not booted, because this is missing: ${missing}`
  if (isCi) t.fail(what)
  else t.test('virtual machines', { skip: what }, () => {})
} else {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'spillover-vm-'))
  const image = path.join(folder, 'image.cpio')
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  fs.writeFileSync(image, buildImage())
  const kernel = findKernel()
  for (const shape of shapes) {
    t.test(shape.name, { timeout: 600_000 }, async (t) => judge(t, shape, await runMachine(shape, kernel, image)))
  }
}

function judge (t: Test, shape: Shape, report: Record<string, any>): void {
  const expected = expectedPlan(shape)
  const { tiers, thresholds } = expected
  const all = tiers.flat()
  t.same(report.plan.tiers.map(({ cpus }: any) => cpus), tiers, `tiers ${tiers.map((cpus) => cpus.join(' ')).join(' / ')}`)
  t.same(report.plan.tiers.map(({ threshold }: any) => threshold), thresholds, `thresholds ${thresholds.join(' / ')}`)
  judgeSteps(t, expected, report)
  judgeThreads(t, expected, report)
  t.equal(report.closed.active, 0, 'nothing is active after all jobs were let go')
  t.equal(report.closed.openTier, report.plan.tiers[0].tier, 'only the lowest tier is open')
  t.same(report.closed.states.slice(1), tiers.slice(1).map((cpus) => ({ closed: cpus.length })), 'the others have no thread')
  judgeIdle(t, expected, report)
  if (shape.hotplug !== undefined) judgeHotplug(t, shape, all, report.hotplug)
  t.equal(report.exit, 0, 'the server ended by itself')
}

/** As latched jobs rise from 0 to all: which tier is open at each number, and where the jobs are. */
function judgeSteps (t: Test, { tiers, thresholds }: Expected, { steps, plan }: Record<string, any>): void {
  const names = plan.tiers.map(({ tier }: any) => tier)
  for (const [active, step] of steps.entries()) {
    let open = 0
    while (open + 1 < tiers.length && active > thresholds[open + 1]!) open++
    const held: number[] = []
    for (const cpus of tiers) held.push(Math.min(cpus.length, active - held.reduce((sum, count) => sum + count, 0)))
    t.same({ active: step.active, openTier: step.openTier, held: step.held }, { active, openTier: names[open], held },
      `${active} active: tier ${names[open]} is open, the tiers hold ${held.join(' + ')}`)
  }
  for (const [index, threshold] of thresholds.entries()) {
    if (index === 0 || threshold >= steps.length - 1) continue
    const opened = steps.findIndex(({ openTier }: any) => openTier >= names[index])
    t.equal(opened, threshold + 1, `tier ${names[index]} opened at active actor number ${threshold + 1}`)
  }
}

/** Who may run where, by the kernel's mask of each thread, and who did, by itself and seen from outside. */
function judgeThreads (t: Test, { tiers }: Expected, report: Record<string, any>): void {
  t.equal(report.results.length, report.steps.length - 1, `${report.results.length} held jobs gave a result`)
  t.equal(new Set(report.results.map(({ tid }: any) => tid)).size, report.results.length, 'each on a thread of its own')
  const tierOf = (index: number) => tiers.findIndex((_, nth) => index < tiers.slice(0, nth + 1).flat().length)
  if (!report.pinning.isOn) {
    const what = `threads may run anywhere, because they are not pinned: ${report.pinning.reason}`
    if (canPin && (isCi || hasAddon)) t.fail(what)
    else t.pass('masks of the threads', { skip: what })
    return
  }
  for (const [index, cpus] of tiers.entries()) {
    const results = report.results.filter((_: unknown, nth: number) => tierOf(nth) === index)
    if (results.length === 0) continue
    const masks = results.map(({ tid }: any) => parseList(report.samples[0][tid].mask))
    t.same(masks.flat().sort((a: number, b: number) => a - b), [...cpus].slice(0, results.length).sort((a, b) => a - b),
      `tier ${index + 1}: the masks of its threads are one cpu each of ${cpus.join(' ')}`)
    const outside = (tid: number) => report.samples.map((sample: any) => sample[tid].cpu)
    const seen = results.flatMap(({ tid, ran }: any) => [...ran, ...outside(tid)])
    const ran = [...new Set<number>(seen)].sort((a, b) => a - b)
    t.same(ran.filter((cpu) => !cpus.includes(cpu)), [],
      `tier ${index + 1}: its threads ran on ${ran.join(' ')} and nowhere else`)
  }
}

/** The actors of the lowest tier stay; with nothing to do they do not even wake up. */
function judgeIdle (t: Test, { tiers }: Expected, { idle: [before, after], results }: Record<string, any>): void {
  const actors = results.slice(0, tiers[0]!.length).map(({ tid }: any) => tid)
  for (const what of ['ticks', 'sleeps']) {
    t.same(actors.map((tid: number) => after[tid]?.[what] - before[tid][what]), actors.map(() => 0),
      `in 3 s of idling their ${what === 'ticks' ? 'CPU time' : 'number of wake-ups'} did not change`)
  }
}

function judgeHotplug (t: Test, shape: Shape, all: number[], report: Record<string, any>): void {
  const { seen, sent, fulfilled, batches } = report
  t.comment(`batches of 20 jobs took ${batches.join(' ')} ms`)
  const gone = parseList(shape.hotplug!)
  const cpusOf = (plan: any) => plan.tiers.flatMap(({ cpus }: any) => cpus)
  t.same(cpusOf(seen[0]), cpusOf(seen[0]).filter((cpu: number) => !gone.includes(cpu)), `without cpu ${shape.hotplug}`)
  t.same(cpusOf(seen[1]).sort(), [...all].sort(), 'and with it again')
  t.ok(sent >= 200, `${sent} jobs were sent meanwhile and after`)
  t.equal(fulfilled, sent, 'and all of them were fulfilled')
}
