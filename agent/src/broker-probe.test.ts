import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createWeb } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { aclPatterns, type GatewayId } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { type Layer, probeWay } from './broker-probe.ts'
import { ownCertificate, probeSignIn } from './broker-sign-in.ts'
import type { BrokerAccess } from './sync/connect-options.ts'
import { hasMosquitto, type Mosquitto, mustHaveAll, startMosquitto } from './sync/test-broker.ts'
import { createTestAuthority, type Issued, type TestAuthority } from './sync/test-certificates.ts'
import { systemClock as clock } from './system-clock.ts'

const gateway = 'gw-test' as GatewayId
const isMissing = !hasMosquitto && !mustHaveAll
const why = isMissing ? ' (skipped: mosquitto is not installed)' : ''
/** Comes with mosquitto. */
const PASSWORDS = 'mosquitto_passwd'
const OWN_TREE = [`pattern write ${aclPatterns.gatewayWrite}`, `pattern read ${aclPatterns.gatewayRead}`]

const short = (layers: readonly Layer[]) => layers.map(({ check, state }) => `${check}: ${state}`)
const pairOf = ({ certFile, keyFile }: Issued) => ({ cert: readFileSync(certFile), key: readFileSync(keyFile) })

describe.skipIf(isMissing)(`the way to a real broker${why}`, () => {
  let dir: string
  let ca: TestAuthority
  let rogue: TestAuthority
  const brokers: Mosquitto[] = []

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'biotrakr-way-'))
    ca = await createTestAuthority(dir)
    rogue = await createTestAuthority(dir, 'rogue')
  })
  afterAll(async () => {
    for (const broker of brokers) await broker.stop()
    rmSync(dir, { recursive: true })
  })

  async function tlsBroker(
    server: Issued,
    { access = OWN_TREE, settings = [] as string[] } = {},
  ): Promise<BrokerAccess> {
    const files = [`cafile ${ca.caFile}`, `certfile ${server.certFile}`, `keyfile ${server.keyFile}`]
    const strict = ['allow_anonymous false', 'require_certificate true', 'use_identity_as_username true']
    const broker = await startMosquitto([...strict, 'tls_version tlsv1.3', ...files, ...settings], access)
    brokers.push(broker)
    return { url: `mqtts://localhost:${broker.port}`, ca: readFileSync(ca.caFile) }
  }

  const wayTo = (access: BrokerAccess, isTimeConfirmed = true, nowMs = Date.now()) =>
    probeWay(access, { clock: { ...clock, wallMs: () => nowMs }, isTimeConfirmed })
  const signIn = (access: BrokerAccess) => probeSignIn(access, { gateway, software: 'test', clock })

  it('is good from the name to the access list', async () => {
    const access = await tlsBroker(await ca.issue({ name: 'b', hosts: ['localhost'] }), {
      settings: ['max_packet_size 262144'],
    })
    const whole = { ...access, ...pairOf(await ca.issue({ name: gateway })) }
    expect(short(await wayTo(whole))).toEqual([
      'broker: name: ok',
      'broker: port: ok',
      'broker: TLS: ok',
      'broker: certificate: ok',
    ])
    const layers = await signIn(whole)
    expect(short(layers)).toEqual([
      'broker: sign-in: ok',
      'broker: may read: ok',
      'broker: may write: ok',
      'broker: kept apart: ok',
    ])
    expect(layers[0]?.meaning).toBe('the broker takes gw-test, messages up to 262144 bytes')
  })

  it('names a host that is not known, and a port at which nothing listens', async () => {
    const [name] = await wayTo({ url: 'mqtts://broker.invalid:8883' })
    expect(name).toMatchObject({ check: 'broker: name', state: 'fail', mend: expect.stringContaining('DNS') })
    const free = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => free.once('listening', resolve))
    const { port } = free.address() as AddressInfo
    await new Promise((resolve) => free.close(resolve))
    const [, closed] = await wayTo({ url: `mqtts://localhost:${port}` })
    expect(closed).toMatchObject({ state: 'fail', meaning: `localhost:${port}: nothing listens there` })
  })

  it('tells another name, an expired certificate and an unknown CA apart', async () => {
    const other = await wayTo(await tlsBroker(await ca.issue({ name: 'b', hosts: ['broker.example'] })))
    expect(other.at(-1)).toMatchObject({
      check: 'broker: certificate',
      state: 'fail',
      meaning: expect.stringMatching(/^its certificate is for another name; it is for DNS:broker\.example \(valid /),
    })
    const old = await tlsBroker(await ca.issue({ name: 'b', hosts: ['localhost'], fromDays: -9, toDays: -2 }))
    expect((await wayTo(old)).at(-1)?.meaning).toMatch(
      /^its certificate has expired, and this machine's clock is confirmed \(valid /,
    )
    expect((await wayTo(old, false)).at(-1)?.meaning).toMatch(/which nobody has confirmed/)
    const unknown = await wayTo(await tlsBroker(await rogue.issue({ name: 'b', hosts: ['localhost'] })))
    expect(unknown.at(-1)?.meaning).toMatch(/not signed by the configured CA.*issued by rogue/)
  })

  it('blames the clock for a certificate from the future, unless somebody has confirmed the clock', async () => {
    const early = await tlsBroker(await ca.issue({ name: 'b', hosts: ['localhost'], fromDays: 3 }))
    const blamed = (await wayTo(early, false)).at(-1)
    expect(blamed?.meaning).toMatch(/^this machine's clock \(\d{4}-\d\d-\d\d\) is behind/)
    expect(blamed?.mend).toContain('timedatectl set-ntp true')
    expect((await wayTo(early, true)).at(-1)?.meaning).toMatch(
      /^its certificate is not valid yet, and this machine's clock is confirmed/,
    )
  })

  it('says when a web page answers instead, with and without TLS in the address', async () => {
    const web = createWeb((_request, response) => response.end('<html>Sign in to this network</html>')).listen(
      0,
      '127.0.0.1',
    )
    await new Promise((resolve) => web.once('listening', resolve))
    const { port } = web.address() as AddressInfo
    const layers = await wayTo({ url: `mqtts://127.0.0.1:${port}` })
    expect(layers.at(-1)).toMatchObject({
      check: 'broker: TLS',
      state: 'fail',
      meaning: expect.stringMatching(/^a web page answers/),
    })
    const [plain] = await signIn({ url: `mqtt://127.0.0.1:${port}` })
    expect(plain?.meaning).toContain('does not speak MQTT: perhaps a web page or proxy')
    web.closeAllConnections()
    web.close()
  })

  it('says why a broker does not take the certificate of this gateway', async () => {
    const access = await tlsBroker(await ca.issue({ name: 'b', hosts: ['localhost'] }))
    const refusalOf = async (own: Partial<BrokerAccess>) => (await signIn({ ...access, ...own }))[0]?.meaning
    expect(await refusalOf({})).toContain('it wants a certificate of this gateway')
    const old = await ca.issue({ name: gateway, fromDays: -9, toDays: -2 })
    expect(await refusalOf(pairOf(old))).toContain("this gateway's certificate has expired by the broker's clock")
    const foreign = await rogue.issue({ name: gateway })
    expect(await refusalOf(pairOf(foreign))).toContain("does not know the CA of this gateway's certificate")
  })

  it('says what the access list refuses, and when there is none', async () => {
    const server = await ca.issue({ name: 'b', hosts: ['localhost'] })
    const own = pairOf(await ca.issue({ name: gateway }))
    const deaf = await signIn({ ...(await tlsBroker(server, { access: ['user nobody'] })), ...own })
    expect(deaf.find(({ check }) => check === 'broker: may write')).toMatchObject({
      state: 'fail',
      meaning: expect.stringContaining('does not let this gateway publish'),
    })
    const lax = await signIn({ ...(await tlsBroker(server, { access: ['pattern readwrite #'] })), ...own })
    expect(lax.at(-1)).toMatchObject({ check: 'broker: kept apart', state: 'warn' })
  })

  it('says that the password is wrong', async () => {
    const file = join(dir, 'passwords')
    execFileSync(PASSWORDS, ['-b', '-c', file, gateway, 'right'])
    const broker = await startMosquitto(['allow_anonymous false', `password_file ${file}`])
    brokers.push(broker)
    const [refused] = await signIn({ url: broker.url, password: 'wrong' })
    expect(refused).toMatchObject({ state: 'fail', mend: expect.stringContaining('password file') })
    const [taken] = await signIn({ url: broker.url, password: 'right' })
    expect(taken).toMatchObject({ state: 'ok' })
  })

  it('looks at the certificate of this gateway itself: dates, name and key', async () => {
    const look = async (issued: Issued, nowMs = Date.now()) =>
      ownCertificate({ url: '', ...pairOf(issued) }, gateway, nowMs)
    const good = await ca.issue({ name: gateway })
    expect(await look(good)).toMatchObject([{ state: 'ok', meaning: expect.stringContaining('29 days left') }])
    expect(await look(good, Date.now() + 25 * 86_400_000)).toMatchObject([{ state: 'warn' }])
    expect(await look(good, Date.now() + 40 * 86_400_000)).toMatchObject([
      { meaning: expect.stringContaining('expired') },
    ])
    expect(await look(good, 0)).toMatchObject([{ meaning: expect.stringContaining("this machine's clock is behind") }])
    expect(await look(await ca.issue({ name: 'gw-other' }))).toMatchObject([
      { meaning: expect.stringContaining('gw-other') },
    ])
    const mixed = { certFile: good.certFile, keyFile: (await ca.issue({ name: gateway })).keyFile }
    expect(await look(mixed)).toMatchObject([{ meaning: 'broker.keyFile is not its key' }])
  })
})
