import 'reflect-metadata'

import { type BinaryLike, createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

import { BioTrakrError, CA_PIN_BYTES, type GatewayId, isGatewayId } from '@biotrakr/shared'
import * as x509 from '@peculiar/x509'

/**
 * The two certificate authorities of a centre, P-256 throughout. One signs the certificates of gateways and nothing else,
 * the other those of the centre's own servers and processes. The broker's listener for gateways trusts the first only and
 * gateways trust the second only, so that a stolen gateway can neither pose as a server nor as a process of the centre.
 */
export interface Authority {
  /** PEM. */
  readonly gatewayCa: string
  /** PEM. */
  readonly centreCa: string
  /** What an enrolment code carries of the centre's CA. */
  readonly pin: Uint8Array
  /**
   * @param request PEM (PKCS #10); its key counts, its subject and extensions do not
   * @throws BioTrakrError CERTIFICATE_REQUEST
   */
  gateway(name: GatewayId, request: string, validity: Validity): Promise<Issued>
  /** Name of a gateway certificate of ours and its serial number, whatever its dates; undefined for any other. */
  recognise(certificate: Uint8Array): Recognised | undefined
  revocationList(revoked: readonly Revoked[], validity: Validity): Promise<string>
  /** A pair for a server (by its names and addresses) or for one of the centre's processes. */
  centre(
    subject: { readonly server: readonly string[] } | { readonly process: string },
    validity: Validity,
  ): Promise<Pair>
  /** A pair in a gateway's name, for throwing that gateway out: never leaves the process. */
  standIn(name: GatewayId, validity: Validity): Promise<Pair>
}

export interface Validity {
  readonly fromMs: number
  readonly untilMs: number
}

interface Issued extends Validity {
  readonly certificate: string
  /** 32 hexadecimal digits. */
  readonly serial: string
}

interface Recognised extends Validity {
  readonly gateway: GatewayId
  readonly serial: string
}

interface Revoked {
  readonly serial: string
  readonly atMs: number
}

/** Both PEM. */
export interface Pair {
  readonly certificate: string
  readonly key: string
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const CLIENT_AUTH = x509.ExtendedKeyUsage.clientAuth
const SERVER_AUTH = x509.ExtendedKeyUsage.serverAuth
const CA_YEARS_MS = 20 * 365 * 86_400_000
const MAX_REQUEST_LETTERS = 4_096

/** Keys and certificates of both authorities, new. */
export async function createAuthorityPairs(nowMs: number): Promise<{ readonly gateway: Pair; readonly centre: Pair }> {
  const validity = { fromMs: nowMs - 3_600_000, untilMs: nowMs + CA_YEARS_MS }
  const make = async (name: string): Promise<Pair> => {
    const keys = await newKeys()
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      ...frame(name, validity),
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    })
    return { certificate: pemOf(certificate), key: await keyPem(keys) }
  }
  return { gateway: await make('BioTrakr gateways'), centre: await make('BioTrakr centre') }
}

/** @throws BioTrakrError AUTHORITY_INVALID */
export async function openAuthority(pairs: { readonly gateway: Pair; readonly centre: Pair }): Promise<Authority> {
  const gateways = await openIssuer(pairs.gateway)
  const centre = await openIssuer(pairs.centre)
  return {
    gatewayCa: pairs.gateway.certificate,
    centreCa: pairs.centre.certificate,
    pin: pinOf(new X509Certificate(pairs.centre.certificate).raw),
    gateway: async (name, request, validity) => {
      const publicKey = await keyOf(request)
      return issue(gateways, { name, publicKey, validity, usage: CLIENT_AUTH })
    },
    recognise: (certificate) => recognise(certificate, gateways),
    revocationList: (revoked, validity) => revocationList(gateways, revoked, validity),
    centre: async (subject, validity) => {
      const keys = await newKeys()
      const wanted =
        'server' in subject
          ? { name: subject.server[0] ?? '', usage: SERVER_AUTH, names: subject.server }
          : { name: subject.process, usage: CLIENT_AUTH }
      const { certificate } = await issue(centre, { ...wanted, publicKey: keys.publicKey, validity })
      return { certificate, key: await keyPem(keys) }
    },
    standIn: async (name, validity) => {
      const keys = await newKeys()
      const { certificate } = await issue(gateways, { name, publicKey: keys.publicKey, validity, usage: CLIENT_AUTH })
      return { certificate, key: await keyPem(keys) }
    },
  }
}

/** What of a CA certificate (DER) a code carries. */
function pinOf(certificate: BinaryLike): Uint8Array {
  return new Uint8Array(createHash('sha256').update(certificate).digest().subarray(0, CA_PIN_BYTES))
}

interface Issuer {
  readonly certificate: x509.X509Certificate
  readonly parsed: X509Certificate
  readonly signingKey: webcrypto.CryptoKey
}

async function openIssuer({ certificate, key }: Pair): Promise<Issuer> {
  const der = x509.PemConverter.decodeFirst(key)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign'])
  return { certificate: new x509.X509Certificate(certificate), parsed: new X509Certificate(certificate), signingKey }
}

interface Wanted {
  readonly name: string
  readonly publicKey: webcrypto.CryptoKey
  readonly validity: Validity
  readonly usage: x509.ExtendedKeyUsage
  /** Host names and addresses of a server. */
  readonly names?: readonly string[]
}

async function issue(issuer: Issuer, { name, publicKey, validity, usage, names = [] }: Wanted): Promise<Issued> {
  // X.509 knows whole seconds; a certificate must not say more than the record of it.
  const { fromMs, untilMs } = { fromMs: wholeSeconds(validity.fromMs), untilMs: wholeSeconds(validity.untilMs) }
  const parts = frame(name, { fromMs, untilMs })
  const alternatives = names.map((text) => ({
    type: isIP(text) === 0 ? ('dns' as const) : ('ip' as const),
    value: text,
  }))
  const certificate = await x509.X509CertificateGenerator.create({
    ...parts,
    issuer: issuer.certificate.subjectName.toJSON(),
    publicKey,
    signingKey: issuer.signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage], true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
    ],
  })
  return { certificate: pemOf(certificate), serial: parts.serialNumber, fromMs, untilMs }
}

/** The name goes in as one value, never as text that is parsed: no letter of it can begin another attribute. */
function frame(name: string, { fromMs, untilMs }: Validity) {
  const serial = randomBytes(16)
  // Positive and without a leading zero byte, so that every program writes the same 32 digits.
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
  return {
    serialNumber: serial.toString('hex'),
    subject: [{ CN: [name] }],
    name: [{ CN: [name] }],
    notBefore: new Date(fromMs),
    notAfter: new Date(untilMs),
    signingAlgorithm: ALGORITHM,
  }
}

async function keyOf(request: string): Promise<webcrypto.CryptoKey> {
  if (request.length > MAX_REQUEST_LETTERS) throw badRequest('it is too long')
  let parsed: x509.Pkcs10CertificateRequest
  try {
    parsed = new x509.Pkcs10CertificateRequest(request)
  } catch (cause) {
    throw badRequest('it is no PKCS #10 request', cause)
  }
  const algorithm = parsed.publicKey.algorithm
  const isP256 = algorithm.name === 'ECDSA' && 'namedCurve' in algorithm && algorithm.namedCurve === 'P-256'
  if (!isP256) throw badRequest('its key is not on the curve P-256')
  const isSigned = await parsed.verify().catch(() => false)
  if (!isSigned) throw badRequest('its signature is not by its key')
  return parsed.publicKey.export(ALGORITHM, ['verify'])
}

function recognise(certificate: Uint8Array, { parsed: ca }: Issuer): Recognised | undefined {
  try {
    const parsed = new X509Certificate(certificate)
    const name = /^CN=(.*)$/.exec(parsed.subject)?.[1]
    if (name === undefined || !isGatewayId(name)) return undefined
    if (!parsed.checkIssued(ca) || !parsed.verify(ca.publicKey)) return undefined
    const fromMs = Date.parse(parsed.validFrom)
    const untilMs = Date.parse(parsed.validTo)
    return { gateway: name, serial: parsed.serialNumber.toLowerCase(), fromMs, untilMs }
  } catch {
    return undefined
  }
}

async function revocationList(
  issuer: Issuer,
  revoked: readonly Revoked[],
  { fromMs, untilMs }: Validity,
): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subjectName.toJSON(),
    thisUpdate: new Date(fromMs),
    nextUpdate: new Date(untilMs),
    signingKey: issuer.signingKey,
    signingAlgorithm: ALGORITHM,
    entries: revoked.map(({ serial, atMs }) => ({ serialNumber: serial, revocationDate: new Date(atMs) })),
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey), listNumber(fromMs)],
  })
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`
}

/** Lists are numbered by the second in which they were made (RFC 5280, 5.2.3: an INTEGER that only grows). */
function listNumber(atMs: number): x509.Extension {
  const hex = Math.floor(atMs / 1_000).toString(16)
  const bytes = Buffer.from(`${hex.length % 2 === 0 ? '' : '0'}${hex}`, 'hex')
  const positive = bytes.readUInt8(0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes])
  return new x509.Extension('2.5.29.20', false, Buffer.concat([Buffer.of(2, positive.length), positive]))
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

async function keyPem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY')}\n`
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000
}

function badRequest(why: string, cause?: unknown): BioTrakrError {
  return new BioTrakrError(`the certificate request cannot be used: ${why}`, {
    code: 'CERTIFICATE_REQUEST',
    next: 'Send a PKCS #10 request in PEM with a P-256 key, signed by that key.',
    cause,
  })
}
