// Jobs whose names, inputs and results are registered; `limits`, `Tree` and `onClose` are no jobs.
import type { JobContext } from 'fastify-spillover/scheduler'

export const add = ({ a, b }: { a: number, b: number }): number => a + b
export async function shout (text: string, ctx: JobContext): Promise<{ text: string, tier: number }> {
  return { text: text.toUpperCase(), tier: ctx.tier }
}
export const now = (): Date => new Date()
export const limits = { width: 100 }
export const measure = (what: string | number[]): number => what.length
export const greet = (name?: string): string => name ?? 'nobody'
export const who = (_: undefined, ctx: JobContext): string | undefined => ctx.requestId
export const same = <T>(input: T): T => input
export const pair = (left: number, right: number): number => left + right
export class Tree { constructor (readonly depth: number) {} }
export const onClose = async (): Promise<void> => {}
export const bytes = (length: number, ctx: JobContext): Uint8Array => {
  const made = new Uint8Array(length)
  return ctx.transfer(made, [made.buffer])
}
export default (input: string): string => input
