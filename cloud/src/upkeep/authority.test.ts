import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { BioTrakrError, type GatewayId } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Authority } from './authority.ts'
import { initAuthority, readAuthority } from './authority-files.ts'

const NOW_MS = Date.parse('2026-03-01T12:00:00.500Z')
const MONTH = { fromMs: NOW_MS, untilMs: NOW_MS + 30 * 86_400_000 }
const GATEWAY = 'gw-0001' as GatewayId
const folder = mkdtempSync(join(tmpdir(), 'biotrakr-authority-'))
let authority: Authority

beforeAll(async () => {
  await initAuthority(join(folder, 'ca'), NOW_MS)
  authority = await readAuthority(join(folder, 'ca'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the certificate authority', () => {
  it('keeps its keys readable by their owner only, and is never made over again', async () => {
    for (const name of ['gateway-ca.key', 'centre-ca.key']) {
      expect(statSync(join(folder, 'ca', name)).mode & 0o777).toBe(0o400)
    }
    await expect(initAuthority(join(folder, 'ca'), NOW_MS)).rejects.toMatchObject({ code: 'AUTHORITY_INVALID' })
    await expect(readAuthority(join(folder, 'none'))).rejects.toMatchObject({ code: 'AUTHORITY_INVALID' })
  })

  it('signs for a gateway: its own name and purpose, whatever the request says', async () => {
    const request = requestOf('/CN=ingester/O=Elsewhere', [
      '-addext',
      'basicConstraints=CA:true',
      '-addext',
      'subjectAltName=DNS:broker.example',
    ])
    const { certificate, serial, untilMs } = await authority.gateway(GATEWAY, request, MONTH)
    const parsed = new X509Certificate(certificate)
    expect(parsed.subject).toBe('CN=gw-0001')
    expect(parsed.ca).toBe(false)
    expect(parsed.subjectAltName).toBeUndefined()
    expect(parsed.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(parsed.serialNumber.toLowerCase()).toBe(serial)
    expect(Date.parse(parsed.validTo)).toBe(untilMs)
    const ca = fileOf('ca.pem', authority.gatewayCa)
    const leaf = fileOf('leaf.pem', certificate)
    expect(verified(['-CAfile', ca, '-purpose', 'sslclient', '-x509_strict', leaf])).toContain('OK')
    expect(verified(['-CAfile', ca, '-purpose', 'sslserver', leaf])).toContain('unsuitable certificate purpose')
  })

  it('recognises its own certificates of gateways, expired ones too, and no others', async () => {
    const { certificate, serial } = await authority.gateway(GATEWAY, requestOf('/CN=x'), MONTH)
    const der = new X509Certificate(certificate).raw
    expect(authority.recognise(der)).toMatchObject({ gateway: GATEWAY, serial })
    const server = await authority.centre({ server: ['broker.example'] }, MONTH)
    expect(authority.recognise(new X509Certificate(server.certificate).raw)).toBeUndefined()
    const other = await initAuthority(join(folder, 'other'), NOW_MS)
    const rogue = await other.gateway(GATEWAY, requestOf('/CN=x'), MONTH)
    expect(authority.recognise(new X509Certificate(rogue.certificate).raw)).toBeUndefined()
    expect(authority.recognise(der.subarray(0, 100))).toBeUndefined()
  })

  it('signs for servers by name and address, and for processes', async () => {
    const { certificate } = await authority.centre({ server: ['broker.example', '127.0.0.1'] }, MONTH)
    const parsed = new X509Certificate(certificate)
    expect(parsed.checkHost('broker.example')).toBe('broker.example')
    expect(parsed.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(parsed.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    const own = new X509Certificate((await authority.centre({ process: 'ingester' }, MONTH)).certificate)
    expect(own.subject).toBe('CN=ingester')
    expect(own.checkIssued(new X509Certificate(authority.gatewayCa))).toBe(false)
  })

  it.each([
    ['another kind', 'no PKCS #10', () => 'hello'],
    ['too long', 'too long', () => 'x'.repeat(5_000)],
    ['P-384', 'P-256', () => requestOf('/CN=x', [], ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'])],
    ['RSA', 'P-256', () => requestOf('/CN=x', [], ['rsa:2048'])],
    ['a foreign key', 'signature', () => forged(requestOf('/CN=x'))],
  ])('refuses a request of %s', async (_kind, why, make) => {
    const refusal = authority.gateway(GATEWAY, make(), MONTH)
    await expect(refusal).rejects.toBeInstanceOf(BioTrakrError)
    await expect(refusal).rejects.toMatchObject({ code: 'CERTIFICATE_REQUEST', message: expect.stringContaining(why) })
  })

  it('lists what is revoked, so that OpenSSL refuses it', async () => {
    const kept = await authority.gateway(GATEWAY, requestOf('/CN=x'), MONTH)
    const gone = await authority.gateway(GATEWAY, requestOf('/CN=x'), MONTH)
    const revoked = [{ serial: gone.serial, atMs: NOW_MS }]
    const list = await authority.revocationList(revoked, { fromMs: NOW_MS, untilMs: NOW_MS + 7 * 86_400_000 })
    const ca = fileOf('ca.pem', authority.gatewayCa)
    const check = (certificate: string) =>
      verified(['-CAfile', ca, '-crl_check', '-CRLfile', fileOf('crl.pem', list), fileOf('leaf.pem', certificate)])
    expect(check(kept.certificate)).toContain('OK')
    expect(check(gone.certificate)).toContain('certificate revoked')
    const text = execFileSync('openssl', ['crl', '-in', fileOf('crl.pem', list), '-noout', '-text'], {
      encoding: 'utf8',
    })
    expect(text).toMatch(/X509v3 CRL Number: *\n *1772366400\n/)
    const empty = await authority.revocationList([], { fromMs: NOW_MS, untilMs: NOW_MS + 7 * 86_400_000 })
    expect(execFileSync('openssl', ['crl', '-noout', '-text'], { encoding: 'utf8', input: empty })).toContain(
      'No Revoked',
    )
  })
})

function fileOf(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

function verified(words: readonly string[]): string {
  const { stdout, stderr } = spawnSync(
    'openssl',
    ['verify', '-attime', String(Math.floor(NOW_MS / 1_000) + 60), ...words],
    { encoding: 'utf8' },
  )
  return stdout + stderr
}

function requestOf(
  subject: string,
  more: readonly string[] = [],
  key: readonly string[] = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
): string {
  const words = ['req', '-new', '-newkey', ...key, '-nodes', '-keyout', '/dev/null', '-subj', subject, ...more]
  return execFileSync('openssl', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** A request with another key put into it: whoever sends it has not got that key. */
function forged(request: string): string {
  const der = Buffer.from(request.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const pointOf = (bytes: Buffer) => bytes.indexOf(Buffer.from('034200', 'hex')) + 3
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const other = publicKey.export({ type: 'spki', format: 'der' })
  other.copy(der, pointOf(der), pointOf(other), pointOf(other) + 65)
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
}
