// Deadlines of jobs: one timer for each distinct duration, O(1) to add and to take off, nothing kept for a settled job.

/** A place in the list of its duration; `cancel` takes it off. */
export interface Deadline { cancel (): void }

interface Node extends Deadline { dueMs: number, fire: () => void, previous: Node | undefined, next: Node | undefined }

class List {
  first: Node | undefined
  last: Node | undefined
  timer: NodeJS.Timeout | undefined
}

/** Deadlines of one pool; the clock is passed in. */
export class Deadlines {
  readonly #now: () => number
  readonly #lists = new Map<number, List>()

  constructor (now: () => number) {
    this.#now = now
  }

  /** Call `fire` once, `ms` from now; never keeps the process alive. */
  add (ms: number, fire: () => void): Deadline {
    let list = this.#lists.get(ms)
    if (list === undefined) this.#lists.set(ms, list = new List())
    const owner = list
    const node: Node = {
      dueMs: this.#now() + ms,
      fire,
      previous: list.last,
      next: undefined,
      cancel: () => this.#remove(ms, owner, node)
    }
    if (list.last === undefined) list.first = node
    else list.last.next = node
    list.last = node
    list.timer ??= setTimeout(() => this.#due(ms, owner), ms).unref()
    return node
  }

  clear (): void {
    for (const list of this.#lists.values()) {
      clearTimeout(list.timer)
      list.first = list.last = undefined
    }
    this.#lists.clear()
  }

  #due (ms: number, list: List): void {
    list.timer = undefined
    const nowMs = this.#now()
    while (list.first !== undefined && list.first.dueMs <= nowMs + 0.5) {
      const node = list.first
      node.cancel()
      node.fire()
    }
    if (list.first === undefined) {
      if (list.timer === undefined && this.#lists.get(ms) === list) this.#lists.delete(ms)
    } else {
      list.timer ??= setTimeout(() => this.#due(ms, list), Math.max(1, Math.ceil(list.first.dueMs - nowMs))).unref()
    }
  }

  #remove (ms: number, list: List, node: Node): void {
    if (node.previous === undefined && list.first !== node) return
    if (node.previous === undefined) list.first = node.next
    else node.previous.next = node.next
    if (node.next === undefined) list.last = node.previous
    else node.next.previous = node.previous
    node.previous = node.next = undefined
    // the timer stays: it finds the next due, or ends the list
  }
}
