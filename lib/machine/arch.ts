// The architecture of a recorded machine, as far as its files show it.
import type { TopologyReader } from './files.js'

/** The architecture as `uname -m` names it, as far as a recorded machine shows it. */
export function readArch (reader: TopologyReader): string | null {
  const info = reader.readFile('proc/cpuinfo') ?? ''
  // A 32-bit kernel on a 64-bit processor shows the flag lm too, but only it prints the old bugs.
  if (/^flags\s*:/m.test(info)) return /^flags\s*:.*\blm\b/m.test(info) && !/^fdiv_bug/m.test(info) ? 'x86_64' : 'i686'
  if (/^vendor_id\s*:\s*IBM\/S390/m.test(info)) return 's390x'
  const arm = /^CPU architecture\s*:\s*(\d+|AArch64)/m.exec(info)?.[1]
  if (arm !== undefined) return arm === 'AArch64' || Number(arm) >= 8 ? 'aarch64' : 'arm'
  if (/^cpu\s*:\s*(POWER|PPC|Cell)/im.test(info)) {
    return /ppc64le|ppc64el/.test(reader.readFile('proc/version') ?? '') ? 'ppc64le' : 'ppc64'
  }
  return /^isa\s*:\s*rv64/m.test(info) ? 'riscv64' : null
}
