// Jobs whose names, inputs and results are registered; `limits` is no job.
import type { JobContext } from 'fastify-spillover/scheduler'

export const add = ({ a, b }: { a: number, b: number }): number => a + b
export async function shout (text: string, ctx: JobContext): Promise<{ text: string, tier: number }> {
  return { text: text.toUpperCase(), tier: ctx.tier }
}
export const now = (): Date => new Date()
export const limits = { width: 100 }
