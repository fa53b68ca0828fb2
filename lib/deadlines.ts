// Deadlines of jobs that wait: one timer for each distinct duration, O(1) to add and take off; nothing is left behind.
import type { Clock, Timer } from './clock.js'

/** A place in the list of its duration; `cancel` takes it off. */
export interface Deadline { cancel (): void }

interface Node extends Deadline { dueMs: number, fire: () => void, previous: Node | undefined, next: Node | undefined }

class List {
  first: Node | undefined
  last: Node | undefined
  timer: Timer | undefined
}

const nothing = (): void => {}

/** Deadlines of one pool; the clock is passed in. */
export class Deadlines {
  readonly #clock: Clock
  readonly #lists = new Map<number, List>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Call `fire` once, `ms` from now; never keeps the process alive. */
  add (ms: number, fire: () => void): Deadline {
    let list = this.#lists.get(ms)
    if (list === undefined) this.#lists.set(ms, list = new List())
    const owner = list
    const node: Node = {
      dueMs: this.#clock.now() + ms,
      fire,
      previous: list.last,
      next: undefined,
      cancel: () => this.#remove(ms, owner, node)
    }
    if (list.last === undefined) list.first = node
    else list.last.next = node
    list.last = node
    list.timer ??= this.#clock.after(ms, () => this.#due(ms, owner))
    return node
  }

  clear (): void {
    for (const list of this.#lists.values()) {
      list.timer?.cancel()
      list.first = list.last = undefined
    }
    this.#lists.clear()
  }

  #due (ms: number, list: List): void {
    list.timer = undefined
    const nowMs = this.#clock.now()
    while (list.first !== undefined && list.first.dueMs <= nowMs + 0.5) {
      const { first } = list
      const { fire } = first
      first.cancel()
      fire()
    }
    if (list.first === undefined) {
      if (list.timer === undefined && this.#lists.get(ms) === list) this.#lists.delete(ms)
    } else {
      list.timer ??= this.#clock.after(Math.max(1, Math.ceil(list.first.dueMs - nowMs)), () => this.#due(ms, list))
    }
  }

  #remove (ms: number, list: List, node: Node): void {
    if (node.previous === undefined && list.first !== node) return
    if (node.previous === undefined) list.first = node.next
    else node.previous.next = node.next
    if (node.next === undefined) list.last = node.previous
    else node.next.previous = node.previous
    node.previous = node.next = undefined
    node.fire = nothing // the timer holds the node for as long as it runs, and the job must not be held with it
    // the timer stays: it finds the next due, or ends the list
  }
}
