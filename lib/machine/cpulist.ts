// Sets of cpus in the kernel's two ways of writing them: lists, "0-3,8", and maps, "10f".

// NR_CPUS is 8192 at most on Linux 6; eight times that still bounds what a nonsense file can cost.
export const maxCpus = 65536

/**
 * Parses the kernel's list form, `"0-3,8"`. An empty text is the empty set.
 * @returns ascending ids, or null if the text is not a list or names an id of 65536 or more
 */
export function parseCpuList (text: string): number[] | null {
  const isNamed = new Uint8Array(maxCpus)
  let steps = 0
  for (const part of text.trim() === '' ? [] : text.trim().split(',')) {
    const match = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part)
    if (match === null) return null
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    steps += last - first + 1
    if (last < first || last >= maxCpus || steps > maxCpus) return null
    isNamed.fill(1, first, last + 1)
  }
  const ids: number[] = []
  for (let id = isNamed.indexOf(1); id >= 0; id = isNamed.indexOf(1, id + 1)) ids.push(id)
  return ids
}

/**
 * Parses the kernel's map form: comma-separated 32-bit hexadecimal words, the highest first.
 * @returns ascending ids, or null if the text is not a map
 */
export function parseCpuMap (text: string): number[] | null {
  if (!/^(0x)?[0-9a-f]{1,8}(,[0-9a-f]{1,8})*$/i.test(text.trim())) return null
  const words = text.trim().replace(/^0x/i, '').split(',').reverse()
  if (words.length > maxCpus / 32) return null
  const ids: number[] = []
  words.forEach((word, index) => {
    const bits = Number.parseInt(word, 16)
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) ids.push(index * 32 + bit)
  })
  return ids
}

/** Writes cpu ids in the kernel's list form, sorted: `[0, 1, 2, 3, 8]` is `"0-3,8"`, `[]` is `""`. */
export function formatCpuList (cpus: Iterable<number>): string {
  const ids = [...new Set(cpus)].sort((a, b) => a - b)
  const parts: string[] = []
  for (let i = 0; i < ids.length;) {
    let end = i
    while (ids[end + 1] === ids[end]! + 1) end++
    parts.push(end === i ? `${ids[i]}` : `${ids[i]}-${ids[end]}`)
    i = end + 1
  }
  return parts.join(',')
}

/** Begins a sentence on cpus: "cpu 0 is", "cpus 0-3,8 are". */
export function cpusAre (cpus: Iterable<number>): string {
  const ids = [...cpus]
  return ids.length === 1 ? `cpu ${ids[0]} is` : `cpus ${formatCpuList(ids)} are`
}
