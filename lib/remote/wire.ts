// What is at an address that a client cannot talk to: TLS where plain text was expected, the reverse, a wrong name.
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Each try; chosen. */
const TRY_MS = 2000

/** Why a client with these TLS options, or none, gets on with nothing there. Undefined: it is no matter of TLS. */
export async function wireAt (host: string, port: number, tls: object | undefined): Promise<string | undefined> {
  if (tls === undefined) {
    return await hasTls(host, port)
      ? 'expected plain text (redis://), got TLS: use rediss:// or `tls` for this port'
      : undefined
  }
  if (await isPlain(host, port)) return 'expected TLS (rediss:// or `tls`), got plain text: use redis:// for this port, or its TLS port'
  return await refused(host, port, tls)
}

async function isPlain (host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    socket.write('PING\r\n')
    const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(TRY_MS) }) as [Buffer]
    // also where it asks for a password
    return /^[+-]/.test(String(chunk))
  } catch {
    return false // nothing, or not this
  } finally {
    socket.destroy()
  }
}

async function hasTls (host: string, port: number): Promise<boolean> {
  const socket = connectTls({ host, port, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(TRY_MS) })
    return true
  } catch (error) {
    // it may ask for a certificate, which is TLS too
    return /alert|certificate/i.test((error as Error).message)
  } finally {
    socket.destroy()
  }
}

/** What of the certificates was not accepted, and what to do. */
async function refused (host: string, port: number, tls: object): Promise<string | undefined> {
  const socket = connectTls({ host, port, ...tls })
  socket.on('error', () => {}) // one more after the first is of no interest
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(TRY_MS) })
    return undefined
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (/ALTNAME/.test(code)) return `its certificate is not for the name that was asked for (${code}): use a name that is in it, or set tls.servername`
    if (/EXPIRED|NOT_YET_VALID/.test(code)) return `its certificate is not valid at this time (${code}): renew it, or set the clock`
    if (/CERT|ISSUER|SIGN|LEAF/.test(code)) return `its certificate is signed by none that this client knows (${code}): give its CA in tls.ca or NODE_EXTRA_CA_CERTS`
    if (/alert/i.test(message)) return `it refused this client's TLS (${message.split(':').at(-2) ?? code}): it may want a certificate, tls.cert and tls.key`
    return undefined
  } finally {
    socket.destroy()
  }
}
