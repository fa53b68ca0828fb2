// Certificates of one test, made with openssl: an authority and a server on 127.0.0.1, and another authority.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

export interface Certificates {
  /** options of redis-server */
  readonly options: (port: number) => string[]
  /** the authority's certificate, to be trusted */
  readonly ca: string
  readonly otherCa: string
  readonly caFile: string
}

export function makeCertificates (t: Test): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'spillover-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const openssl = (...args: string[]): void => { execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' }) }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  for (const name of ['ca', 'other']) {
    openssl('req', '-x509', ...key, '-keyout', `${name}.key`, '-out', `${name}.crt`, '-days', '2', '-subj', `/CN=${name}`)
  }
  openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=redis')
  writeFileSync(join(folder, 'san'), 'subjectAltName=IP:127.0.0.1')
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.crt', '-days', '2', '-extfile', 'san')
  const file = (name: string): string => join(folder, name)
  return {
    options: (port) => ['--tls-port', String(port), '--tls-cert-file', file('server.crt'), '--tls-key-file', file('server.key'),
      '--tls-ca-cert-file', file('ca.crt'), '--tls-auth-clients', 'no'],
    ca: readFileSync(file('ca.crt'), 'utf8'),
    otherCa: readFileSync(file('other.crt'), 'utf8'),
    caFile: file('ca.crt')
  }
}
