// Which machines to boot: the usual ones, or one by arguments as in `--smp 32,sockets=1,dies=2,cores=8,threads=2`.
import { parseArgs } from 'node:util'
import { countsOf } from './shape'
import type { Shape } from './shape'

const usual: readonly Shape[] = [
  {
    name: 'the machine of the design: 1 socket, 2 dies of 8 cores, 2 threads a core',
    smp: '32,sockets=1,dies=2,cores=8,threads=2'
  },
  { name: '2 sockets of 2 dies of 4 cores of 2 threads, 2 NUMA nodes', smp: '32,sockets=2,dies=2,cores=4,threads=2', numa: '2' },
  {
    name: '1 socket of 8 cores without SMT, of which 2 go offline under load and come back',
    smp: '8,sockets=1,dies=1,cores=8,threads=1',
    hotplug: '2-3'
  },
  { name: '16 cpus of 2 dies, of which a container may use 6', smp: '16,sockets=1,dies=2,cores=4,threads=2', cpuset: '4-9' }
]

/** The shapes that the arguments ask for. */
export function shapesOf (args: readonly string[]): readonly Shape[] {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: { smp: text, numa: text, dist: text, offline: text, cpuset: text, affinity: text, hotplug: text }
  })
  if (Object.keys(values).length === 0) return usual
  const smp = values.smp ?? usual[0]!.smp
  countsOf(smp)
  const name = Object.entries({ ...values, smp }).map(([key, value]) => `--${key} ${value}`).join(' ')
  return [{ ...values, smp, name }]
}
