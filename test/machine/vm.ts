// Boots a virtual machine of a shape under QEMU's software emulation and gives what its driver reports.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { countsOf, nodeLists } from './shape'
import type { Shape } from './shape'

const root = path.resolve(__dirname, '../..')
const kernelFolder = path.join(root, 'build/kernel')
// A boot takes 5 to 20 s alone on 2 cores; a hung one burns CPU for nothing. Chosen.
const bootLimitMs = 120_000
const runLimitMs = 480_000

/** What is missing to boot a machine, or null. */
export function whatIsMissing (): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'Linux on x64, whose programs the machines run'
  const { error } = spawnSync('qemu-system-x86_64', ['--version'])
  if (error !== undefined) return 'qemu-system-x86_64 (Debian: qemu-system-x86)'
  if (spawnSync('busybox', ['true']).error !== undefined) return 'busybox (Debian: busybox-static)'
  return null
}

/** The newest kernel image that was unpacked or is installed; downloaded where Debian's apt can. */
export function findKernel (): string {
  const newest = (folder: string) => {
    const names = (fs.existsSync(folder) ? fs.readdirSync(folder) : [])
      .filter((name) => /^vmlinuz-.*-cloud-amd64$/.test(name))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    return names.length === 0 ? undefined : path.join(folder, names.at(-1)!)
  }
  const there = newest(path.join(kernelFolder, 'boot')) ?? newest('/boot')
  if (there !== undefined) return there
  fs.mkdirSync(kernelFolder, { recursive: true })
  const script = `
    set -e
    image=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p' | head -1)
    apt-get -q download "$image"
    dpkg-deb -x linux-image-*.deb .
    rm -rf linux-image-*.deb lib usr`
  const { status, stderr } = spawnSync('bash', ['-c', script], { cwd: kernelFolder, encoding: 'utf8' })
  const found = newest(path.join(kernelFolder, 'boot'))
  if (status !== 0 || found === undefined) throw new Error(`no kernel: linux-image-cloud-amd64 cannot be downloaded: ${stderr}`)
  return found
}

/** Boots, runs the driver with the shape, and gives its report; a boot that hangs is tried again once. */
export async function runMachine (shape: Shape, kernel: string, image: string): Promise<Record<string, any>> {
  const arguments_ = machineArguments(shape, kernel, image)
  for (let attempt = 1; ; attempt++) {
    const { report, output, isUp } = await boot(arguments_, `${image}.console`)
    if (report !== undefined) return report
    if (isUp || attempt === 2) {
      throw new Error(`${shape.name}: the machine gave no report${isUp ? '' : ' and did not come up'}:\n${output}`)
    }
  }
}

function machineArguments (shape: Shape, kernel: string, image: string): string[] {
  const { sockets, dies, cores, threads } = countsOf(shape.smp)
  const total = sockets * dies * cores * threads
  const lists = nodeLists(shape, total)
  const memoryMb = 1536 + 48 * Math.min(total, 64)
  const eachMb = Math.ceil(memoryMb / Math.max(1, lists.length))
  const job = Buffer.from(JSON.stringify(shape)).toString('base64url')
  return [
    '-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'Skylake-Server-v4', '-smp', shape.smp,
    '-m', `${lists.length > 0 ? eachMb * lists.length : memoryMb}`,
    ...lists.flatMap((list, node) => [
      '-object', `memory-backend-ram,id=mem${node},size=${eachMb}M`,
      '-numa', ['node', `nodeid=${node}`, ...list.map((cpu) => `cpus=${cpu}`), `memdev=mem${node}`].join(',')
    ]),
    ...(shape.dist ?? '').split(';').filter(Boolean).map((part) => part.split(',')).flatMap(([a, b, distance]) => [
      '-numa', `dist,src=${a},dst=${b},val=${distance}`, '-numa', `dist,src=${b},dst=${a},val=${distance}`
    ]),
    '-nodefaults', '-display', 'none', '-no-reboot', '-kernel', kernel, '-initrd', image,
    '-append', ['console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable maxcpus=1',
      `spillover_job=${job}`].join(' '),
    '-chardev', `file,id=console,path=${image}.console`, '-serial', 'chardev:console',
    '-chardev', 'stdio,id=out,signal=off', '-serial', 'chardev:out'
  ]
}

interface Boot { readonly report?: Record<string, any>, readonly output: string, readonly isUp: boolean }

function boot (arguments_: readonly string[], consoleFile: string): Promise<Boot> {
  return new Promise((resolve, reject) => {
    const qemu = spawn('qemu-system-x86_64', arguments_, { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let errors = ''
    const isUp = () => out.includes('machine: up')
    const end = () => qemu.kill('SIGKILL')
    const bootTimer = setTimeout(() => { if (!isUp()) end() }, bootLimitMs)
    const runTimer = setTimeout(end, runLimitMs)
    qemu.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
    qemu.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
    qemu.on('error', reject)
    qemu.on('close', () => {
      clearTimeout(bootTimer)
      clearTimeout(runTimer)
      const line = /^REPORT (.*)$/m.exec(out.replaceAll('\r', ''))?.[1]
      const noise = /TCG doesn't support requested feature/
      const lines = errors.split('\n').filter((text) => !noise.test(text))
      const said = fs.existsSync(consoleFile) ? fs.readFileSync(consoleFile, 'utf8').slice(-1500) : ''
      const output = [...lines.slice(-20), said, out.slice(-4000)].join('\n')
      resolve({ ...(line !== undefined && { report: JSON.parse(line) }), output, isUp: isUp() })
    })
    process.once('exit', end)
  })
}
