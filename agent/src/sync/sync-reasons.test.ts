import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createWeb } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTls } from 'node:tls'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createSync, type SyncOptions } from './sync.ts'
import { hasMosquitto, type Mosquitto, mustHaveAll, startMosquitto } from './test-broker.ts'
import { arrayOutbox, compression, fastClock, GATEWAY } from './test-centre.ts'
import { createTestAuthority, type Issued, type TestAuthority } from './test-certificates.ts'

const isMissing = !hasMosquitto && !mustHaveAll
const why = isMissing ? ' (skipped: mosquitto is not installed)' : ''

describe.skipIf(isMissing)(`what the running agent says of a broker that it cannot reach${why}`, () => {
  let dir: string
  let ca: TestAuthority
  let own: Issued
  const brokers: Mosquitto[] = []

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'biotrakr-reasons-'))
    ca = await createTestAuthority(dir)
    own = await ca.issue({ name: GATEWAY })
  })
  afterAll(async () => {
    for (const broker of brokers) await broker.stop()
    rmSync(dir, { recursive: true })
  })

  async function brokerWith(server: Issued): Promise<string> {
    const files = [`cafile ${ca.caFile}`, `certfile ${server.certFile}`, `keyfile ${server.keyFile}`]
    const broker = await startMosquitto(['require_certificate true', 'tls_version tlsv1.3', ...files])
    brokers.push(broker)
    return `mqtts://localhost:${broker.port}`
  }

  /** @returns the problem that its health shows, once there is one, and what is still held then */
  async function problemAt(url: string, change: Partial<SyncOptions> = {}, credentials: Issued = own) {
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const [cert, key] = [readFileSync(credentials.certFile), readFileSync(credentials.keyFile)]
    const outbox = arrayOutbox(3)
    const sync = createSync({
      gateway: GATEWAY,
      software: 'test',
      broker: { url, ca: readFileSync(ca.caFile), cert, key },
      compression,
      clock: fastClock(20),
      random: Math.random,
      log,
      outbox,
      ...change,
    })
    sync.start()
    await expect.poll(() => sync.status().problem, { timeout: 8_000 }).toBeDefined()
    const { problem, unacknowledged } = sync.status()
    await sync.stop({ flushMs: 0 })
    return { text: `${problem?.message} ${problem?.next}`, unacknowledged }
  }

  it('blames the clock for a certificate from the future until the time is confirmed', async () => {
    const url = await brokerWith(await ca.issue({ name: 'b', hosts: ['localhost'], fromDays: 3 }))
    const blamed = await problemAt(url, { isTimeConfirmed: () => false })
    expect(blamed.text).toMatch(/this machine's clock \([-\d]+\) is behind.*timedatectl set-ntp true/)
    expect(blamed.unacknowledged).toBe(3)
    const certain = await problemAt(url, { isTimeConfirmed: () => true })
    expect(certain.text).toMatch(/its certificate is not valid yet, and this machine's clock is confirmed/)
  })

  it('names an expired certificate, on either side', async () => {
    const good = await brokerWith(await ca.issue({ name: 'b', hosts: ['localhost'] }))
    const old = await ca.issue({ name: GATEWAY, fromDays: -9, toDays: -2 })
    expect((await problemAt(good, {}, old)).text).toContain("this gateway's certificate has expired")
    const url = await brokerWith(await ca.issue({ name: 'b', hosts: ['localhost'], fromDays: -9, toDays: -2 }))
    expect((await problemAt(url, { isTimeConfirmed: () => true })).text).toMatch(/its certificate has expired.*Renew/)
  })

  it('names a certificate of another name, an unknown CA and TLS 1.2', async () => {
    const other = await brokerWith(await ca.issue({ name: 'b', hosts: ['broker.example'] }))
    expect((await problemAt(other)).text).toContain('its certificate is for another name')
    const rogue = await createTestAuthority(dir, 'rogue')
    const foreign = await brokerWith(await rogue.issue({ name: 'b', hosts: ['localhost'] }))
    expect((await problemAt(foreign)).text).toContain('not signed by the configured CA')
    const { certFile, keyFile } = await ca.issue({ name: 'b', hosts: ['localhost'] })
    const old = createTls({ cert: readFileSync(certFile), key: readFileSync(keyFile), maxVersion: 'TLSv1.2' })
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve))
    const { port } = old.address() as AddressInfo
    expect((await problemAt(`mqtts://localhost:${port}`)).text).toContain('it does not speak TLS 1.3')
    old.close()
  })

  it('names a name server without an answer to give, and a web page in the place of the broker', async () => {
    const unknown = await problemAt('mqtts://broker.invalid:8883')
    expect(unknown.text).toMatch(/(its name is not known|the name server does not answer).*DNS/)
    const web = createWeb((_request, response) => response.end('<html>Sign in</html>')).listen(0, '127.0.0.1')
    await new Promise((resolve) => web.once('listening', resolve))
    const { port } = web.address() as AddressInfo
    expect((await problemAt(`mqtts://127.0.0.1:${port}`)).text).toMatch(/answers without TLS.*sign-in/)
    expect((await problemAt(`mqtt://127.0.0.1:${port}`)).text).toMatch(
      /does not speak MQTT: perhaps a web page or proxy/,
    )
    web.closeAllConnections()
    web.close()
  })
})
