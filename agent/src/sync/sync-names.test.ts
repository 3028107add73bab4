import dns from 'node:dns'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, describe, expect, it, vi } from 'vitest'

import { createSync, type SyncOptions } from './sync.ts'
import { hasMosquitto, mustHaveAll, startMosquitto } from './test-broker.ts'
import { arrayOutbox, compression, fastClock, GATEWAY, startCentre, until } from './test-centre.ts'
import { createTestAuthority } from './test-certificates.ts'

const isMissing = !hasMosquitto && !mustHaveAll
const why = isMissing ? ' (skipped: mosquitto is not installed)' : ''

/** Of the block whose packets every network throws away (RFC 6666). */
const NOWHERE = { address: '100::1', family: 6 }

describe.skipIf(isMissing)(`sync and a broker with an IPv6 address that leads nowhere${why}`, () => {
  afterEach(() => vi.restoreAllMocks())

  /** The machine's name service cannot be given another answer, so its function here is. */
  function answer(...addresses: readonly { readonly address: string; readonly family: number }[]): void {
    const lookup = (_name: string, options: dns.LookupOptions, done: (...result: unknown[]) => void) => {
      const [first] = addresses
      process.nextTick(() => (options.all ? done(null, addresses) : done(null, first?.address, first?.family)))
    }
    vi.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup)
  }

  function start(broker: SyncOptions['broker'], outbox = arrayOutbox(300)) {
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const sync = createSync({
      gateway: GATEWAY,
      software: 'test',
      broker,
      compression,
      clock: fastClock(1),
      random: Math.random,
      log,
      outbox,
    })
    sync.start()
    return { sync, outbox }
  }

  it('takes the IPv4 address of the same name', async () => {
    const broker = await startMosquitto()
    const centre = await startCentre(broker.url)
    answer(NOWHERE, { address: '127.0.0.1', family: 4 })
    const { sync, outbox } = start({ url: `mqtt://broker.example:${broker.port}` })
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    await sync.stop({ flushMs: 0 })
    await centre.stop()
    await broker.stop()
  })

  it('takes it with TLS too, and checks the name that it was given', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'biotrakr-names-'))
    const authority = await createTestAuthority(dir)
    const ca = readFileSync(authority.caFile)
    const { certFile, keyFile } = await authority.issue({ name: 'b', hosts: ['broker.example', '127.0.0.1'] })
    const broker = await startMosquitto(['allow_anonymous true', `certfile ${certFile}`, `keyfile ${keyFile}`])
    const centre = await startCentre(`mqtts://127.0.0.1:${broker.port}`, { ca })
    answer(NOWHERE, { address: '127.0.0.1', family: 4 })
    const { sync, outbox } = start({ url: `mqtts://broker.example:${broker.port}`, ca })
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    await sync.stop({ flushMs: 0 })
    await centre.stop()
    await broker.stop()
    rmSync(dir, { recursive: true })
  })

  it('keeps the data and says that the broker does not answer when there is no other address', async () => {
    answer(NOWHERE)
    const { sync, outbox } = start({ url: 'mqtt://broker.example:1883' })
    await until('it says so', () => sync.status().problem !== undefined)
    expect(sync.status().problem).toMatchObject({ code: 'BROKER_UNREACHABLE' })
    expect(outbox.status().unacknowledged).toBe(300)
    await sync.stop({ flushMs: 0 })
  })
})
