// The other thread of measures/limits.js: answers by futex until told to stop, then by its port.
import { parentPort, workerData } from 'node:worker_threads'

const { shared, port } = workerData
parentPort.postMessage('ready')
for (;;) {
  Atomics.wait(shared, 0, 0)
  if (Atomics.exchange(shared, 0, 0) === 2) break
  Atomics.store(shared, 32, 1)
  Atomics.notify(shared, 32)
}
port.on('message', () => port.postMessage(0))
