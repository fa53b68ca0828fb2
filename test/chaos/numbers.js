'use strict'
// What this process holds: memory, threads by name, open files by what they are, and handles; what /proc does not say
// is empty.
const { readdirSync, readFileSync, readlinkSync } = require('node:fs')
const { join } = require('node:path')
const { setImmediate: turn } = require('node:timers/promises')

/** How many there are of each kind in a folder of /proc. */
function countKinds (folder, kindOf) {
  const counts = {}
  for (const name of namesIn(folder)) {
    const kind = kindOf(join(folder, name))
    if (kind !== undefined) counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

function namesIn (folder) {
  try {
    return readdirSync(folder)
  } catch {
    return [] // there is no /proc
  }
}

const threadAt = (task) => ifThere(() => readFileSync(join(task, 'comm'), 'utf8').trim())
const fileAt = (link) => ifThere(() => readlinkSync(link).replace(/:\[\d+\]$/, ''))

/** A thread may have ended since it was listed; the open folder itself is closed by then. */
function ifThere (read) {
  try {
    return read()
  } catch {
    return undefined
  }
}

exports.numbers = async () => {
  for (let round = 0; round < 4; round++) {
    global.gc?.()
    await turn() // what is called when something was collected
  }
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  const handles = {}
  for (const type of process.getActiveResourcesInfo()) handles[type] = (handles[type] ?? 0) + 1
  const threads = countKinds('/proc/self/task', threadAt)
  const files = countKinds('/proc/self/fd', fileAt)
  return { rss, heapUsed, external, arrayBuffers, threads, files, handles }
}
