// What Redis, ioredis and BullMQ say, in words for people who know none of them. Pure.

/** Text of theirs, and ours for it. What is not listed is plain enough. */
const phrases: readonly (readonly [RegExp, string])[] = [
  [/enableOfflineQueue options is false|^Connection is closed/, 'the connection is closed'],
  [/^Command aborted due to connection close|^Reached the max retries per request/, 'the connection closed before an answer came'],
  [/^Socket timeout\. Expecting data, but didn't receive any in (\d+)ms/, 'no answer within $1 ms'],
  [/^None of startup nodes is available|^Failed to refresh slots cache/, 'no node of the cluster answers'],
  [/^CLUSTERDOWN/, 'some nodes of the cluster are away'],
  [/^LOADING/, 'it is loading its data'],
  [/^OOM/, 'its memory is full (maxmemory)'],
  [/^MISCONF/, 'it takes no writes, since it cannot save to its disk'],
  [/^READONLY/, 'it takes no writes, since it is a replica'],
  [/^UNBLOCKED/, 'it became a replica'],
  [/^NOAUTH/, 'it asks for a user and a password'],
  [/^WRONGPASS/, 'it does not accept the user or the password'],
  [/^Missing key for job ([\w-]+)/, 'job $1 is gone from redis: what it gave here is dropped'],
  // BullMQ has several lines about one lock
  [/^(?:Missing lock for|could not renew lock for|Lock mismatch for) job ([\w-]+)/,
    'job $1 lost its lock while redis did not answer: what it gave here is dropped, and it runs again']
]

/** For logs and health: addresses are told, the hash of a script, which differs from command to command, is not. */
export function inWords (text: string): string {
  for (const [form, words] of phrases) {
    const found = form.exec(text)
    if (found !== null) return words.replace('$1', found[1] ?? '')
  }
  return text.split('\n')[0]!.replace(/ script: [\da-f]{40}.*/, '').slice(0, 200)
}

/** Is it a state of Redis that passes, and so no end of the job that a command was sent for? */
export const isPassing = ({ name, message }: Error): boolean => name === 'ReplyError' &&
  /^(?:OOM|MISCONF|LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY|NOREPLICAS)\b/.test(message)

const codes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection is closed',
  ETIMEDOUT: 'no connection in time',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name is not known',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it'
}

/** For errors, which may reach clients: without addresses. */
export function withoutAddress (text: string): string {
  const words = inWords(text)
  const [, code = ''] = /\b(E[A-Z_]{3,})\b/.exec(words) ?? []
  if (codes[code] !== undefined) return codes[code]
  if (/connection refused at/.test(words)) return codes.ECONNREFUSED!
  if (/certificate/i.test(words)) return 'its certificate is not accepted'
  return words.replace(/\[[\da-f:.]+\](?::\d+)?|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|\b[\da-f]{0,4}(?::[\da-f]{0,4}){3,}|\b[\w-]+(?:\.[\w-]+)*:\d+\b/gi, 'its address')
}
