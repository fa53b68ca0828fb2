// One measurement in a process of its own: the specification comes as an argument, the result goes to standard output.
import { opened } from './variants.js'

const spec = JSON.parse(process.argv[2])
// a little before the parent loses patience, and where this thread still turns: what the pools say of themselves
setTimeout(() => {
  const states = opened.map((pool) => pool.describe?.() ?? 'nothing')
  finish({ isLate: true, failed: `no result within ${spec.timeoutMs / 1000} s; the pool says: ${states.join(' ')}` })
}, spec.timeoutMs - 500)

try {
  const { default: measure } = await import(`./measures/${spec.measure}.js`)
  finish(await measure(spec))
} catch (error) {
  finish({ failed: String(error?.message ?? error) })
}

function finish (result) {
  process.stdout.write(`\n@@${JSON.stringify(result)}\n`, () => process.exit(result.failed === undefined ? 0 : 1))
}
