import { lookup } from 'node:dns/promises'
import { connect as connectPort, isIP, type Socket } from 'node:net'
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls'

import { type Clock, explainError } from '@biotrakr/shared'

import { certificateDates } from './certificate-dates.ts'
import { causeOf, type KnownTime } from './sync/connect-causes.ts'
import { addressOf, type BrokerAccess } from './sync/connect-options.ts'

/** What one layer of the way to the broker says; nothing behind one that fails is looked at. */
export interface Layer {
  readonly check: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly meaning: string
  readonly mend?: string
}

interface ProbeOptions {
  readonly clock: Clock
  readonly isTimeConfirmed: boolean
}

const LAYER_MS = 5_000

/** Name, port, TLS, name and dates of the certificate: the way to the broker, as far as it needs no sign-in. */
export async function probeWay(access: BrokerAccess, { clock, isTimeConfirmed }: ProbeOptions): Promise<Layer[]> {
  const { host, port, protocol } = addressOf(access.url)
  const time = { nowMs: clock.wallMs(), isConfirmed: isTimeConfirmed }
  const layers = [await nameLayer(host, clock)]
  if (isOver(layers)) return layers
  layers.push(await portLayer(host, port, clock))
  if (isOver(layers) || protocol === 'mqtt') return layers
  return [...layers, ...(await tlsLayers(access, { host, port, clock, time }))]
}

export const isOver = (layers: readonly Layer[]): boolean => layers.some(({ state }) => state === 'fail')

async function nameLayer(host: string, clock: Clock): Promise<Layer> {
  const check = 'broker: name'
  if (isIP(host)) return { check, state: 'ok', meaning: `${host} is an address and needs no name server` }
  try {
    const found = await within(clock, lookup(host, { all: true }))
    return { check, state: 'ok', meaning: `${host} is ${found.map(({ address }) => address).join(', ')}` }
  } catch (error) {
    return failed(check, host, error)
  }
}

async function portLayer(host: string, port: number, clock: Clock): Promise<Layer> {
  const check = 'broker: port'
  try {
    const socket = await within(clock, opened(connectPort({ host, port })))
    const meaning = `something listens at ${socket.remoteAddress}, port ${port}`
    socket.destroy()
    return { check, state: 'ok', meaning }
  } catch (error) {
    return failed(check, `${host}:${port}`, error)
  }
}

interface TlsWay {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly time: KnownTime
}

async function tlsLayers({ ca, cert, key }: BrokerAccess, { host, port, clock, time }: TlsWay): Promise<Layer[]> {
  const check = 'broker: TLS'
  let socket: TLSSocket
  try {
    // Looked at, never spoken over: whether it may be trusted is said below, and what is wrong with it can be shown.
    const options = { host, port, minVersion: 'TLSv1.3', rejectUnauthorized: false, ca, cert, key } as const
    const servername = isIP(host) ? {} : { servername: host }
    socket = await within(clock, opened(connectTls({ ...options, ...servername }), 'secureConnect'))
  } catch (error) {
    const page = await webAnswer(host, port, clock)
    return [page ? { check, state: 'fail', ...page } : failed(check, `${host}:${port}`, error)]
  }
  const peer = socket.getPeerCertificate()
  const { authorized, authorizationError } = socket
  const version = socket.getProtocol()
  socket.destroy()
  return [{ check, state: 'ok', meaning: `${version}` }, ...verdicts(peer, { authorized, authorizationError, time })]
}

interface Verdict {
  readonly authorized: boolean
  /** Node types it as an Error and gives the code. */
  readonly authorizationError: unknown
  readonly time: KnownTime
}

function verdicts(peer: PeerCertificate, { authorized, authorizationError, time }: Verdict): Layer[] {
  const check = 'broker: certificate'
  const dates = certificateDates(new Date(peer.valid_from), new Date(peer.valid_to), time.nowMs)
  if (!authorized) {
    const code = authorizationError instanceof Error ? codeOf(authorizationError) : String(authorizationError)
    const { message, next } = causeOf(Object.assign(new Error(code), { code }), time)
    const names = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? `; it is for ${peer.subjectaltname ?? 'no name'}` : ''
    const issuer = peer.issuer?.CN ? `, issued by ${peer.issuer.CN}` : ''
    return [{ check, state: 'fail', meaning: `${message}${names} (${dates.words}${issuer})`, mend: next }]
  }
  if (dates.isSoonOver) {
    return [
      {
        check,
        state: 'warn',
        meaning: dates.words,
        mend: 'Renew the certificate of the broker: "biotrakr-cloud ca server" at the centre.',
      },
    ]
  }
  return [{ check, state: 'ok', meaning: `for ${peer.subjectaltname}, ${dates.words}` }]
}

const codeOf = (error: Error): string => ('code' in error ? String(error.code) : error.message)

/** Whether a web server answers there instead: a wrong port, a proxy, or the sign-in page of a network. */
async function webAnswer(
  host: string,
  port: number,
  clock: Clock,
): Promise<Pick<Layer, 'meaning' | 'mend'> | undefined> {
  try {
    const socket = await within(clock, opened(connectPort({ host, port })))
    socket.write(`GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`)
    const answer = await within(
      clock,
      new Promise<string>((resolve, reject) => {
        socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')))
        socket.once('error', reject).once('close', () => resolve(''))
      }),
    )
    socket.destroy()
    if (!/^HTTP\/1\.[01] \d{3}|^\s*<(?:!doctype|html)/i.test(answer)) return undefined
    return {
      meaning: 'a web page answers there: a web server, a proxy, or the sign-in page of this network',
      mend: 'Correct broker.url; if it is right, let this gateway into the network without a sign-in page.',
    }
  } catch {
    return undefined
  }
}

export function failed(check: string, where: string, error: unknown): Layer {
  const { message, next } = causeOf(error instanceof Error ? error : new Error(explainError(error)))
  return { check, state: 'fail', meaning: `${where}: ${message}`, mend: next }
}

function opened<T extends Socket>(socket: T, event = 'connect'): Promise<T> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve(socket))
    socket.on('error', reject)
  })
}

export function within<T>(clock: Clock, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }))
    const timer = clock.after(LAYER_MS, late)
    work.then(resolve, reject).finally(() => timer.cancel())
  })
}
