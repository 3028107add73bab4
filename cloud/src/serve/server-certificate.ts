import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import type { Server as TlsServer } from 'node:tls'

import { BioTrakrError, type Clock, explainError, type Timer } from '@biotrakr/shared'
import type { Logger } from 'pino'

/** Both PEM. */
export interface CertificatePair {
  /** Certificate of the server, with those between it and an authority behind it. */
  readonly certificate: string
  readonly key: string
}

interface Options {
  /** @throws when a file cannot be read */
  readonly read: () => CertificatePair
  /** PEM: authority of the certificates that clients may show. */
  readonly clientCa?: string | undefined
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'warn'>
}

/** The certificate that a server shows; a renewed one takes its place while the server runs. */
export interface ServerCertificate {
  /** What the server begins with. TLS 1.3 alone. */
  readonly settings: {
    readonly cert: string
    readonly key: string
    readonly ca: string | undefined
    readonly minVersion: 'TLSv1.3'
  }
  /** Looks at the files from now on. Connections that are open stay as they are. */
  watch(server: object): Timer
}

const LOOK_MS = 30_000

/**
 * Reads certificate and key of a server.
 * @throws BioTrakrError CONFIG_INVALID when the two do not belong together; whatever `read` throws
 */
export function createServerCertificate({ read, clientCa, clock, log }: Options): ServerCertificate {
  let shown = checked(read())
  let refused = ''
  const look = (server: object) => {
    try {
      const pair = read()
      if (digestOf(pair) === digestOf(shown) || digestOf(pair) === refused) return
      // Two files are renewed one after the other: what does not fit yet is looked at again.
      refused = digestOf(pair)
      shown = checked(pair)
      if (isTlsServer(server)) server.setSecureContext(settingsOf(shown, clientCa))
      const { validTo } = new X509Certificate(shown.certificate)
      log.info({ event: 'tls.renewed', until: validTo }, 'new connections are shown the renewed certificate')
    } catch (error) {
      log.warn({ event: 'tls.not_renewed', error: explainError(error) }, 'the certificate before stays in use')
    }
  }
  return { settings: settingsOf(shown, clientCa), watch: (server) => clock.every(LOOK_MS, () => look(server)) }
}

function isTlsServer(server: object): server is TlsServer {
  return 'setSecureContext' in server
}

function settingsOf({ certificate, key }: CertificatePair, ca: string | undefined): ServerCertificate['settings'] {
  return { cert: certificate, key, ca, minVersion: 'TLSv1.3' }
}

function checked(pair: CertificatePair): CertificatePair {
  if (isPair(pair)) return pair
  throw new BioTrakrError('certificate and key of this server do not belong together', {
    code: 'CONFIG_INVALID',
    next: 'Correct certFile and keyFile; `biotrakr-cloud ca server` makes a pair.',
  })
}

function isPair({ certificate, key }: CertificatePair): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

function digestOf({ certificate, key }: CertificatePair): string {
  return createHash('sha256').update(`${certificate}\n${key}`).digest('hex')
}
