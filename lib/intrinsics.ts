// What all jobs of a thread build on: remembers it, sees what one of them has changed, and puts it back.
import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { performance } from 'node:perf_hooks'
import { compileFunction } from 'node:vm'

/** As they are before any job runs. */
const { defineProperty, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect

/** Constructors and namespaces whose functions, and those of their prototypes, are looked at before each job. */
const OFTEN = ['Object', 'Function', 'Array', 'Promise', 'Map', 'Set', 'JSON', 'Reflect', 'Atomics']
/** The same, looked at now and then. */
const SELDOM = ['WeakMap', 'WeakSet', 'Symbol', 'String', 'Number', 'Boolean', 'BigInt', 'RegExp', 'Date', 'Error',
  'Math', 'ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Uint8Array', 'Int32Array', 'Float64Array', 'Buffer',
  'EventTarget', 'AbortController', 'AbortSignal']
/** What ports inherit and Node's own code calls, also when a thread ends. */
const INHERITED = ['on', 'once', 'off', 'addListener', 'removeListener', 'emit']
const TIMERS = /^(set|clear)(Timeout|Interval|Immediate)$|^queueMicrotask$/
/** What Node's own code asks plain objects for: not every name that is added can be listed. */
const ABSENT = ['then', 'value', 'get', 'set', 'writable', 'enumerable', 'configurable', 'toJSON']
/** The name of what is added to `Object.prototype`, whatever it is. */
const ADDED = 'Object.prototype'

/** One property; `own` is undefined where the owner inherits it. */
interface Intrinsic {
  readonly name: string
  readonly owner: object
  readonly key: PropertyKey
  readonly value: unknown
  readonly own: PropertyDescriptor | undefined
}

/** Those of a thread, as they are when this is made. Worker thread only. */
export class Intrinsics {
  readonly #all: Intrinsic[] = []
  readonly #plainKeys = ownKeys(Object.prototype)
  readonly #env = process.env
  readonly #envKeys = ownKeys(process.env)
  readonly #meant: readonly string[]
  /** Are those that are looked at before each job as they were? Takes 5 ns, and 8 µs in its first 800 calls. */
  readonly isIntact: () => boolean

  /** `meant`: names, as `restore` returns them, of what jobs may change. */
  constructor (meant: readonly string[]) {
    this.#meant = meant
    const globals = globalThis as unknown as Record<string, { readonly prototype?: object }>
    const addEach = (names: readonly string[]): void => {
      for (const name of names) this.#add(name, globals[name]!)
      for (const name of names) this.#add(`${name}.prototype`, globals[name]!.prototype ?? {})
    }
    addEach(OFTEN)
    this.#add('globalThis', globalThis, (key) => OFTEN.includes(key) || TIMERS.test(key))
    this.#add('ArrayIterator.prototype', getPrototypeOf([][Symbol.iterator]())!)
    this.#add('AsyncLocalStorage.prototype', AsyncLocalStorage.prototype)
    this.#add('MessagePort.prototype', MessagePort.prototype)
    for (const key of INHERITED) this.#keep(`MessagePort.prototype.${key}`, MessagePort.prototype, key)
    this.#add('Buffer.prototype', Buffer.prototype, (key) => /(Write|Slice)$/.test(key))
    this.#keep('performance.now', performance, 'now')
    this.isIntact = compile(this.#all)
    addEach(SELDOM)
    this.#add('globalThis', globalThis, (key) => SELDOM.includes(key))
    this.#add('TypedArray.prototype', getPrototypeOf(Uint8Array.prototype)!)
    this.#add('Performance.prototype', getPrototypeOf(performance)!)
    this.#add('EventEmitter.prototype', EventEmitter.prototype)
    this.#add('process', process)
    this.#keep('process.env', process, 'env')
    for (const key of this.#envKeys) this.#keep(`process.env.${String(key)}`, this.#env, key)
  }

  /** Look at all of them and put back what was changed. @returns the names of what was not meant; 50 to 100 µs */
  restore (): string[] {
    // nothing in here may use what it looks at
    const names: string[] = []
    this.#takeAway(Object.prototype, this.#plainKeys, ADDED, names)
    for (let n = 0; n < this.#all.length; n++) {
      const { name, owner, key, own } = this.#all[n]!
      const now = getOwnPropertyDescriptor(owner, key)
      if (now?.value === own?.value && (now === undefined) === (own === undefined)) continue
      if (own === undefined) deleteProperty(owner, key)
      else defineProperty(owner, key, own)
      names[names.length] = name
    }
    if (!has(this.#meant, 'process.env')) this.#takeAway(this.#env, this.#envKeys, 'process.env', names)
    return names
  }

  /** Take away names that were not there. */
  #takeAway (owner: object, keys: readonly PropertyKey[], name: string, names: string[]): void {
    const now = ownKeys(owner)
    for (let n = 0; n < now.length; n++) {
      if (has(keys, now[n])) continue
      deleteProperty(owner, now[n]!)
      if (!has(names, name) && !has(this.#meant, name)) names[names.length] = name
    }
  }

  /** All functions of an owner, and the namespaces among what is global. */
  #add (name: string, owner: object, isWanted = (_key: string): boolean => true): void {
    for (const key of ownKeys(owner)) {
      const value: unknown = getOwnPropertyDescriptor(owner, key)!.value
      const isNamespace = owner === globalThis && typeof value === 'object'
      if ((typeof value === 'function' || isNamespace) && isWanted(String(key))) {
        this.#keep(`${name}.${String(key)}`, owner, key)
      }
    }
  }

  #keep (name: string, owner: object, key: PropertyKey): void {
    if (this.#meant.includes(name)) return
    const own = getOwnPropertyDescriptor(owner, key)
    this.#all.push({ name, owner, key, value: own === undefined ? (owner as never)[key] : own.value, own })
  }
}

/**
 * One comparison for each and no loop: V8 makes constants of what nobody changes, so that they cost nothing; a loop
 * over as many would take 3 µs.
 */
function compile (intrinsics: readonly Intrinsic[]): () => boolean {
  const owners = [...new Set(intrinsics.map(({ owner }) => owner))]
  const code = `
    ${owners.map((_, n) => `const o${n} = owners[${n}]`).join('\n')}
    ${intrinsics.map((_, n) => `const { key: k${n}, value: v${n} } = intrinsics[${n}]`).join('\n')}
    const plain = {}
    return () => {
      try {
        for (const name in plain) return false
        return ${ABSENT.map((key) => `plain.${key} === undefined`).join(' && ')} &&
          ${intrinsics.map(({ owner, key }, n) =>
            `o${owners.indexOf(owner)}[${typeof key === 'symbol' ? `k${n}` : JSON.stringify(key)}] === v${n}`).join(' && ')}
      } catch {
        return false // a getter that throws
      }
    }`
  return compileFunction(code, ['owners', 'intrinsics'])(owners, [...intrinsics]) as () => boolean
}

function has (list: readonly unknown[], item: unknown): boolean {
  for (let n = 0; n < list.length; n++) if (list[n] === item) return true
  return false
}
