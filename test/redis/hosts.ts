// Hosts of their own on one machine: network namespaces on a bridge, each of which can be cut off and connected again.
import { execFileSync, spawnSync } from 'node:child_process'
import type { Test } from 'tap'

const ip = (...args: string[]): void => { execFileSync('ip', args, { stdio: 'pipe' }) }

/** Why network namespaces cannot be used here; false if they can. */
export function needsNamespaces (skip: false | string): false | string {
  if (skip !== false) return skip
  if (process.getuid?.() !== 0) return 'a cut network needs root, to make a network namespace'
  const name = `fs-try-${process.pid}`
  const { status } = spawnSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
  spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
  return status === 0 ? false : 'a cut network needs `ip netns add`, which fails here (iproute2, or no right to)'
}

export interface Host {
  readonly namespace: string
  readonly address: string
  /** every packet from and to it is lost */
  cut (): void
  mend (): void
}

/** Hosts with addresses of their own, which this process can reach; they go with the test. */
export function makeHosts (t: Test, count: number): Host[] {
  const { pid } = process
  const bridge = `fsbr${pid}`
  ip('link', 'add', bridge, 'type', 'bridge')
  t.teardown(() => ip('link', 'del', bridge))
  ip('addr', 'add', '10.231.78.1/24', 'dev', bridge)
  ip('link', 'set', bridge, 'up')
  return Array.from({ length: count }, (_, at) => {
    const [namespace, plug, device] = [`fs-${pid}-${at}`, `fsp${pid}${at}`, `fsd${pid}${at}`]
    const address = `10.231.78.${at + 10}`
    ip('netns', 'add', namespace)
    // takes the pair of devices with it
    t.teardown(() => ip('netns', 'del', namespace))
    ip('link', 'add', plug, 'type', 'veth', 'peer', 'name', device, 'netns', namespace)
    ip('link', 'set', plug, 'master', bridge, 'up')
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', device)
    for (const name of [device, 'lo']) ip('-n', namespace, 'link', 'set', name, 'up')
    return {
      namespace,
      address,
      // the device stays up in the host: its sockets stay open, and nothing arrives
      cut: () => ip('link', 'set', plug, 'nomaster'),
      mend: () => ip('link', 'set', plug, 'master', bridge)
    }
  })
}
