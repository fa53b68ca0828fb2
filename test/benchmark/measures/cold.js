// From the call that makes a pool to the result of its first job.
import { openVariant, variants } from '../variants.js'

export default async function cold ({ variant, options }) {
  await import(`../adapters/${variants[variant].adapter}.js`) // the library itself is loaded before
  const startMs = performance.now()
  const pool = await openVariant(variant, 1, options)
  const result = await pool.call('echo', 42)
  const firstMs = performance.now() - startMs
  if (result !== 42) throw new Error('wrong result')
  await pool.close()
  return { firstMs }
}
