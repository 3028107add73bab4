import { createHash, createPrivateKey, timingSafeEqual, webcrypto, X509Certificate } from 'node:crypto'

import {
  authorityAnswerSchema,
  BioTrakrError,
  CA_PIN_BYTES,
  certificateAnswerSchema,
  type EnrolmentCode,
  enrolmentPaths,
  enrolmentProblemSchema,
  type GatewayId,
} from '@biotrakr/shared'
import { Agent, request } from 'undici'
import type { z } from 'zod'

import type { KeyPair } from './identity.ts'

interface Enrolment {
  /** `https://host:port` of the enrolment service. */
  readonly url: string
  readonly gateway: GatewayId
}

interface Enrolled {
  readonly pair: KeyPair
  /** PEM. */
  readonly ca: string
}

const TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 32_768
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/**
 * Shows a code and gets a certificate for a key that is made here and never leaves this box. Before anything secret is
 * sent the centre's CA is fetched and compared with the pin in the code; everything else goes over TLS that this CA
 * vouches for.
 * @throws BioTrakrError ENROL_UNREACHABLE, ENROL_UNTRUSTED or ENROL_REFUSED
 */
export async function enrolWithCode({ url, gateway }: Enrolment, code: EnrolmentCode): Promise<Enrolled> {
  const ca = await fetchAuthority(url, code.caPin)
  const { key, request: text } = await newRequest()
  const secret = Buffer.from(code.secret).toString('hex')
  const body = { gateway, secret, request: text }
  const call = { url, path: enrolmentPaths.certificate, tls: { ca }, body }
  const { certificate } = await ask(call, certificateAnswerSchema)
  return { pair: checked({ key, certificate }, gateway), ca }
}

/**
 * A new certificate for a new key, on the strength of the present one.
 * @param store nonce of the open store; lets a certificate that has expired be renewed
 * @throws BioTrakrError ENROL_UNREACHABLE, ENROL_UNTRUSTED or ENROL_REFUSED
 */
export async function renewCertificate(
  { url, gateway, ca }: Enrolment & { readonly ca: string },
  present: KeyPair,
  store: string,
): Promise<KeyPair> {
  const { key, request: text } = await newRequest()
  const tls = { ca, cert: present.certificate, key: present.key }
  const call = { url, path: enrolmentPaths.renewal, tls, body: { request: text, store } }
  const { certificate } = await ask(call, certificateAnswerSchema)
  return checked({ key, certificate }, gateway)
}

async function fetchAuthority(url: string, pin: Uint8Array): Promise<string> {
  const call = { url, path: enrolmentPaths.authority, tls: { rejectUnauthorized: false } }
  const { ca } = await ask(call, authorityAnswerSchema)
  const isPinned = timingSafeEqual(fingerprintOf(ca), pin)
  if (isPinned) return ca
  throw new BioTrakrError(`the server at ${url} is not the one that this code is for`, {
    code: 'ENROL_UNTRUSTED',
    next: 'Check the address with the operator. If it is right, somebody between here and there is listening: stop.',
  })
}

/** Leading bytes of the SHA-256; of a text that is no certificate, of the text. */
function fingerprintOf(ca: string): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = new X509Certificate(ca).raw
  } catch {
    bytes = Buffer.from(ca)
  }
  return createHash('sha256').update(bytes).digest().subarray(0, CA_PIN_BYTES)
}

/** The library that writes requests is loaded only here: a box needs it once in ten days. */
async function newRequest(): Promise<{ readonly key: string; readonly request: string }> {
  await import('reflect-metadata')
  const { PemConverter, Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509')
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  // The subject stays empty: the centre decides whose certificate it is.
  const made = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: ALGORITHM })
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { key: `${PemConverter.encode(key, 'PRIVATE KEY')}\n`, request: made.toString('pem') }
}

function checked(pair: KeyPair, gateway: GatewayId): KeyPair {
  const { subject, checkPrivateKey } = parse(pair.certificate)
  if (subject === `CN=${gateway}` && checkPrivateKey(pair.key)) return pair
  throw new BioTrakrError('the centre answered with a certificate that is not for this box', {
    code: 'ENROL_REFUSED',
    next: 'Tell the operator: this should never happen.',
  })
}

function parse(certificate: string) {
  try {
    const parsed = new X509Certificate(certificate)
    const checkPrivateKey = (key: string) => parsed.checkPrivateKey(createPrivateKey(key))
    return { subject: parsed.subject, checkPrivateKey }
  } catch {
    return { subject: '', checkPrivateKey: () => false }
  }
}

interface Call {
  readonly url: string
  readonly path: string
  readonly tls: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly rejectUnauthorized?: boolean
  }
  /** Sent as JSON with POST; GET without. */
  readonly body?: object
}

async function ask<T>({ url, path, tls, body }: Call, schema: z.ZodType<T>): Promise<T> {
  const connect = { ...tls, minVersion: 'TLSv1.3' as const, timeout: TIMEOUT_MS }
  const limits = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS, maxResponseSize: MAX_ANSWER_BYTES }
  const dispatcher = new Agent({ connect, ...limits })
  let status: number
  let answer: unknown
  try {
    const response = await request(new URL(path, url), {
      dispatcher,
      ...(body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    status = response.statusCode
    answer = await response.body.json().catch(() => undefined)
  } catch (cause) {
    throw unreachable(url, cause)
  } finally {
    await dispatcher.destroy()
  }
  const read = schema.safeParse(answer)
  if (status === 200 && read.success) return read.data
  throw refused(url, status, answer)
}

function refused(url: string, status: number, answer: unknown): BioTrakrError {
  const problem = enrolmentProblemSchema.safeParse(answer)
  if (!problem.success) {
    return new BioTrakrError(`${url} answered with ${status} and no word of BioTrakr`, {
      code: 'ENROL_UNREACHABLE',
      next: 'Check that the address is that of `biotrakr-cloud enroll` and not of another service or a proxy.',
    })
  }
  const isTemporary = status === 429 || status >= 500
  return new BioTrakrError(`the centre gives no certificate: ${problem.data.code}`, {
    code: isTemporary ? 'ENROL_UNREACHABLE' : 'ENROL_REFUSED',
    next: problem.data.detail,
  })
}

const TRUST = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/

function unreachable(url: string, cause: unknown): BioTrakrError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (TRUST.test(code)) {
    return new BioTrakrError(`the certificate of ${url} cannot be trusted (${code})`, {
      code: 'ENROL_UNTRUSTED',
      next: "Check this machine's date and time, and that the address is written as the certificate names it.",
      cause,
    })
  }
  return new BioTrakrError(`no answer from ${url}`, {
    code: 'ENROL_UNREACHABLE',
    next: 'Check the address, the network, and that `biotrakr-cloud enroll` runs there.',
    cause,
  })
}
