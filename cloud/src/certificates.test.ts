import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { initAuthority, readAuthority, renewPair, replaceFile } from './administration.ts'
import { runCli } from './cli/cli.ts'
import { examineBroker, examineCertificates } from './examination.ts'
import { skipWithoutMosquitto } from './ingest/test-broker.ts'
import { createSecureBroker } from './test-secure-broker.ts'

const DAY_MS = 86_400_000
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-pairs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (...parts: string[]) => join(folder, ...parts)
const authorityAt = at
const certificateAt = (name: string) => new X509Certificate(readFileSync(at(name)))

async function writePair(name: string, subject: { server: string[] } | { process: string }, days: number) {
  const authority = await readAuthority(authorityAt('authority'))
  const span = { fromMs: Date.now() - 3_600_000, untilMs: Date.now() + days * DAY_MS }
  const { certificate, key } = await authority.centre(subject, span)
  replaceFile(at(`${name}.key`), key, 0o400)
  replaceFile(at(`${name}.pem`), certificate, 0o644)
}

describe('biotrakr-cloud ca renew', () => {
  it('issues all pairs of a folder anew under their names, in their place, and leaves what is not ours', async () => {
    await initAuthority(at('authority'), Date.now())
    await initAuthority(at('other'), Date.now())
    mkdirSync(at('pki'))
    await writePair('pki/broker', { server: ['broker.example', '10.0.0.5'] }, 3)
    await writePair('pki/ingester', { process: 'ingester' }, 3)
    const foreign = await (await readAuthority(at('other'))).centre({ server: ['x'] }, { fromMs: 0, untilMs: DAY_MS })
    writeFileSync(at('pki/page.pem'), foreign.certificate)
    writeFileSync(at('pki/page.key'), foreign.key)
    const before = certificateAt('pki/broker.pem')
    expect(await runCli(['node', 'cloud', 'ca', 'renew', at('pki'), '--folder', at('authority')])).toBe(0)
    const after = certificateAt('pki/broker.pem')
    expect(after.subjectAltName).toBe('DNS:broker.example, IP Address:10.0.0.5')
    expect(after.serialNumber).not.toBe(before.serialNumber)
    expect(Date.parse(after.validTo)).toBeGreaterThan(Date.now() + 396 * DAY_MS)
    expect(certificateAt('pki/ingester.pem').subject).toBe('CN=ingester')
    expect(certificateAt('pki/ingester.pem').keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(statSync(at('pki/broker.key')).mode & 0o777).toBe(0o400)
    expect(readFileSync(at('pki/page.pem'), 'utf8')).toBe(foreign.certificate)
  })

  it('says which certificate is not there', async () => {
    await initAuthority(at('authority'), Date.now())
    expect(await runCli(['node', 'cloud', 'ca', 'renew', at('none'), '--folder', at('authority')])).toBe(2)
  })
})

describe('a broker whose pair was renewed', () => {
  it.skipIf(skipWithoutMosquitto)(
    'shows the new one once it is told to read its files (SKIPPED without mosquitto)',
    async () => {
      const broker = await createSecureBroker()
      await broker.start()
      try {
        const shown = () =>
          new Promise<string | undefined>((resolve, reject) => {
            const { hostname: host, port } = new URL(broker.centreUrl)
            const socket = connect({ host, port: Number(port), ca: broker.authority.centreCa }, () => {
              resolve(socket.getPeerX509Certificate()?.serialNumber)
              socket.destroy()
            })
            socket.on('error', reject)
          })
        const before = await shown()
        const span = { fromMs: Date.now() - 3_600_000, untilMs: Date.now() + DAY_MS }
        expect(await renewPair(join(broker.folder, 'broker'), broker.authority, span)).toBe(true)
        process.kill(Number(readFileSync(broker.pidFile, 'utf8')), 'SIGHUP')
        await expect.poll(shown, { timeout: 10_000 }).not.toBe(before)
      } finally {
        await broker.stop()
      }
    },
    30_000,
  )
})

describe('biotrakr-cloud doctor', () => {
  it('warns a month before a pair ends, fails when it has ended, and names the one command', async () => {
    const authority = await initAuthority(at('authority'), Date.now())
    await writePair('page', { server: ['centre.example'] }, 29)
    await writePair('sign-in', { process: 'serve' }, 31)
    const span = { fromMs: Date.now() - 8 * DAY_MS, untilMs: Date.now() + 2 * DAY_MS }
    writeFileSync(at('gateways.crl'), await authority.revocationList([], span))
    const files = {
      pages: at('page.pem'),
      brokerSignIn: at('sign-in.pem'),
      enrolment: at('none.pem'),
      authorities: [at('authority/gateway-ca.pem')],
      revocationList: at('gateways.crl'),
    }
    const states = (days: number) =>
      examineCertificates(files, Date.now() + days * DAY_MS).map(({ check, state }) => [check, state])
    expect(states(0)).toEqual([
      ['certificate of serve', 'warn'],
      ['certificate of enroll', 'fail'],
      ['certificate for the broker', 'ok'],
      ['authority', 'ok'],
      ['revocation list', 'warn'],
    ])
    expect(states(30).map(([, state]) => state)).toEqual(['fail', 'fail', 'warn', 'ok', 'fail'])
    const [pages] = examineCertificates(files, Date.now())
    expect(pages?.mend).toContain('biotrakr-cloud ca renew')
  })

  it.skipIf(skipWithoutMosquitto)(
    'looks at the certificate that a broker shows (SKIPPED without mosquitto)',
    async () => {
      const broker = await createSecureBroker()
      await broker.start()
      try {
        const { certificate, key } = await broker.authority.centre(
          { process: 'ingester' },
          { fromMs: Date.now() - 3_600_000, untilMs: Date.now() + DAY_MS },
        )
        const [cert, ca] = [Buffer.from(certificate), Buffer.from(broker.authority.centreCa)]
        const access = { url: broker.centreUrl, cert, key: Buffer.from(key), ca }
        const now = await examineBroker(access, 'doctor', Date.now())
        const later = await examineBroker(access, 'doctor', Date.now() + 10_000 * DAY_MS)
        const stateOf = (found: typeof now) => found.find(({ check }) => check === 'broker: its certificate')?.state
        expect([stateOf(now), stateOf(later)]).toEqual([expect.stringMatching(/ok|warn/), 'fail'])
      } finally {
        await broker.stop()
      }
    },
    30_000,
  )
})
