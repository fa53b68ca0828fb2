// The limits under the border: what the kernel, the message port and structured clone take by themselves.
import { MessageChannel, Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { payloads, makeBytes } from '../payloads.js'
import { allowedCpus, pin, startLibuv, threadIds } from '../placing.js'
import { quantile } from '../statistics.js'

export default async function limits ({ warmMs, measureMs, placement }) {
  await startLibuv()
  const before = threadIds()
  const shared = new Int32Array(new SharedArrayBuffer(256))
  const { port1, port2 } = new MessageChannel()
  const workerData = { shared, port: port2 }
  const worker = new Worker(new URL('../limits-worker.js', import.meta.url), { workerData, transferList: [port2] })
  await once(worker, 'message')
  const isPinned = pin(placement, before, allowedCpus())
  const futexUs = await repeated(() => {
    Atomics.store(shared, 0, 1)
    Atomics.notify(shared, 0)
    Atomics.wait(shared, 32, 0, 1000)
    Atomics.store(shared, 32, 0)
  })
  Atomics.store(shared, 0, 2)
  Atomics.notify(shared, 0)
  let answered
  port1.on('message', () => answered())
  const portUs = await repeated(() => new Promise((resolve) => {
    answered = resolve
    port1.postMessage(0)
  }))
  await worker.terminate()
  return {
    futexUs,
    portUs,
    isPinned,
    objectCloneUs: await repeated(cloner(payloads.object.make())),
    textCloneUs: await repeated(cloner(payloads.text.make())),
    kb64CloneUs: await repeated(cloner(makeBytes(65536))),
    mbCloneUs: await repeated(cloner(makeBytes(1 << 20))),
    mbCopyUs: await repeated(copier(makeBytes(1 << 20)))
  }

  /** Median time of one call, µs; short ones are timed in batches. */
  async function repeated (call) {
    const samples = []
    const startMs = performance.now()
    let batch = 1
    while (performance.now() - startMs < warmMs + measureMs) {
      const fromMs = performance.now()
      for (let count = 0; count < batch; count++) {
        const promise = call()
        if (promise !== undefined) await promise
      }
      const tookMs = performance.now() - fromMs
      if (tookMs < 0.02) batch *= 2
      else if (fromMs - startMs > warmMs) samples.push(tookMs / batch * 1000)
    }
    return quantile(Float64Array.from(samples).sort(), 0.5)
  }
}

function cloner (value) {
  return () => { structuredClone(value) }
}

function copier (bytes) {
  const copy = new Uint8Array(bytes.length)
  return () => { copy.set(bytes) }
}
