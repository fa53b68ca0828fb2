import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const program = join(__dirname, '..', 'fixtures', 'faulting.cjs')
// the measured process must not be instrumented as this one is, nor have settings of glibc
const env = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => !/^(?:TAP|_TAPJS|NODE_OPTIONS$|NODE_V8_COVERAGE$|MALLOC_|GLIBC_TUNABLES$)/.test(name)))
function faults (keep: boolean): number {
  return Number(execFileSync(process.execPath, [program, String(keep)], { env }).toString())
}

const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
const skip = glibcVersionRuntime === undefined && 'not glibc'
if (skip) t.comment(`skipped: ${skip}`)

t.test('inputs of 1 MB are copied into memory that earlier ones have left: fewer than 20 of 512 pages a job are new', { skip }, async (t) => {
  const kept = faults(true)
  t.ok(kept < 20, `${kept} pages a job`)
  const given = faults(false)
  t.comment(`${kept} pages a job, without keepFreedMemory ${given}`)
})
