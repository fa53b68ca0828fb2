// Runs one measurement in a child process and never hangs: a child that is late is killed, and why it failed is kept.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { allowedCpus } from './placing.js'

const child = fileURLToPath(new URL('child.js', import.meta.url))

/**
 * @param {{ measure: string, variant: string, oneCpu?: boolean, timeoutMs?: number }} spec with `oneCpu` the whole
 * process may use one CPU only, from its start
 * @param {{ node: string }} settings
 * @returns the measure's result, or `{ failed: reason }`
 */
export function measure (spec, { node }) {
  const timeoutMs = spec.timeoutMs ?? 20_000
  const argv = [node, ...(spec.nodeOptions ?? []), child, JSON.stringify({ ...spec, timeoutMs })]
  if (spec.oneCpu) argv.unshift('taskset', '-c', String(allowedCpus()[0] ?? 0))
  return new Promise((resolve) => {
    const [command, ...args] = argv
    const started = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' })
    let out = ''
    let said = ''
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      killGroup(started)
    }, timeoutMs)
    started.stdout.setEncoding('utf8').on('data', (text) => { out += text })
    started.stderr.setEncoding('utf8').on('data', (text) => { said = (said + text).slice(-2000) })
    started.once('error', (error) => finish({ failed: error.message }))
    started.once('close', (code, signal) => {
      if (isLate) return finish({ isLate, failed: `no result within ${timeoutMs / 1000} s` })
      const line = out.split('\n').findLast((text) => text.startsWith('@@'))
      if (line !== undefined) return finish(JSON.parse(line.slice(2)))
      finish({ failed: `ended with ${signal ?? `code ${code}`}: ${said.trim().split('\n').findLast(Boolean) ?? ''}` })
    })

    function finish (result) {
      clearTimeout(timer)
      killGroup(started) // what it may have left behind, such as a server
      resolve(result)
    }
  })
}

function killGroup ({ pid }) {
  try {
    if (process.platform === 'win32') process.kill(pid, 'SIGKILL')
    else process.kill(-pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}
