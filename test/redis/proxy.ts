// A TCP proxy before a Redis that can be made slow, and hold up what comes from a certain command on.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

export interface SlowProxy {
  readonly url: string
  /** added each way, ms */
  delayMs: number
  readonly isHolding: boolean
  /** forward nothing from the text on that matches */
  hold (from: RegExp): void
  release (): void
}

export async function startProxy (t: Test, port: number): Promise<SlowProxy> {
  const sockets = new Set<Socket>()
  let holdFrom: RegExp | undefined
  let held: (() => void)[] = []
  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on('data', (chunk: Buffer) => {
      const pass = (): void => { if (!to.destroyed) to.write(chunk) }
      if (held.length > 0 || holdFrom?.test(String(chunk)) === true) held.push(pass)
      else setTimeout(pass, proxy.delayMs)
    })
  }
  const server = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1')
    forward(socket, upstream)
    forward(upstream, socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const proxy: SlowProxy = {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    delayMs: 0,
    get isHolding () { return held.length > 0 },
    hold (from) { holdFrom = from },
    release () {
      for (const pass of held) pass()
      holdFrom = undefined
      held = []
    }
  }
  return proxy
}
