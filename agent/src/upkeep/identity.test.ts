import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Clock, GatewayId } from '@biotrakr/shared'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'

import { type KeyPair, openIdentity, writeIdentity } from './identity.ts'
import { createRenewal } from './renewal.ts'

const root = mkdtempSync(join(tmpdir(), 'biotrakr-identity-'))
const folder = join(root, 'identity')
const CENTRE = { gateway: 'gw-1' as GatewayId, url: 'https://centre.example:8443', ca: 'PEM' }
const first = pair()
const second = pair()
const opened = () => {
  const identity = openIdentity(folder)
  if (!identity) throw new Error('no identity')
  return identity
}

beforeEach(() => writeIdentity(folder, CENTRE, first))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Of 30 days from now on. */
function pair(): KeyPair {
  const key = join(root, 'made.key')
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30']
  const words = [...made, '-subj', '/CN=gw-1', '-keyout', key]
  const certificate = execFileSync('openssl', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return { certificate, key: readFileSync(key, 'utf8') }
}

describe('the identity in its folder', () => {
  it('is for its owner only, and comes back as it was written', () => {
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of ['identity.pem', 'centre.json']) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o400)
    }
    expect(opened()).toMatchObject(CENTRE)
    expect(opened().offer()).toEqual(first)
    expect(openIdentity(join(root, 'none'))).toBeUndefined()
  })

  it('shows a renewed pair and the one before in turns until the new one is let in, over restarts too', () => {
    const identity = opened()
    identity.add(second)
    expect([identity.offer(), identity.offer(), identity.offer()]).toEqual([second, first, second])
    identity.offer()
    identity.proven()
    expect(identity.isProven()).toBe(false)
    const later = opened()
    expect(later.newest()).toMatchObject(second)
    expect(later.offer()).toEqual(second)
    later.proven()
    expect(later.isProven()).toBe(true)
    expect(existsSync(join(folder, 'next.pem'))).toBe(false)
    expect(opened().offer()).toEqual(second)
  })

  it('forgets a renewed pair that was cut off, and refuses a present one that was', () => {
    opened().add(second)
    rmSync(join(folder, 'next.pem'))
    writeFileSync(join(folder, 'next.pem'), second.key)
    expect(opened().isProven()).toBe(true)
    rmSync(join(folder, 'identity.pem'))
    writeFileSync(join(folder, 'identity.pem'), first.key + second.certificate)
    expect(() => openIdentity(folder)).toThrow(expect.objectContaining({ code: 'IDENTITY_INVALID' }))
  })
})

/** A clock whose hours are passed by hand; wall and monotonic time go together. */
function createHours() {
  let nowMs = 0
  const base = Date.now()
  const tasks = new Set<() => void>()
  const every: Clock['every'] = (_periodMs, task) => {
    tasks.add(task)
    return { cancel: () => tasks.delete(task) }
  }
  const clock: Clock = { wallMs: () => base + nowMs, monoMs: () => nowMs, after: every, every }
  const pass = async (hours: number) => {
    for (let i = 0; i < hours; i++) {
      nowMs += 3_600_000
      for (const task of tasks) task()
      await new Promise((done) => setImmediate(done))
    }
  }
  return { clock, pass }
}

describe('the renewal', () => {
  const log = { info: () => {}, warn: () => {} }
  const renewalOf = (share: number, renew: () => Promise<KeyPair>) => {
    const { clock, pass } = createHours()
    const identity = opened()
    const said = { asked: 0, reconnects: 0 }
    const renewal = createRenewal({
      identity,
      clock,
      random: () => share,
      log,
      renew: () => {
        said.asked += 1
        return renew()
      },
      reconnect: () => (said.reconnects += 1),
    })
    renewal.start()
    return { identity, said, pass, renewal }
  }

  it.each([
    [0, 10],
    [0.999, 15],
  ])('begins between a third and a half of the life, by chance %d after %d days', async (share, days) => {
    const { said, pass, identity } = renewalOf(share, async () => second)
    await pass(days * 24 - 2)
    expect(said).toEqual({ asked: 0, reconnects: 0 })
    await pass(4)
    expect(said.asked).toBe(1)
    expect(said.reconnects).toBeGreaterThanOrEqual(1)
    if (identity.offer().certificate !== second.certificate) identity.offer()
    identity.proven()
    expect(identity.isProven()).toBe(true)
  })

  it('shows the new pair again now and then while the broker does not let it in', async () => {
    const { said, pass, renewal } = renewalOf(0, async () => second)
    await pass(10 * 24 + 48)
    expect(said.asked).toBe(1)
    expect(said.reconnects).toBeGreaterThan(4)
    expect(renewal.status().isUnproven).toBe(true)
  })

  it('tries again ever more slowly while it fails, every hour in the last five days, and says why', async () => {
    const { said, pass, renewal } = renewalOf(0, () => Promise.reject(new Error('no answer')))
    await pass(11 * 24)
    expect(renewal.status()).toMatchObject({ hasExpired: false, problem: expect.stringContaining('no answer') })
    const early = said.asked
    await pass(24)
    expect(said.asked - early).toBeLessThanOrEqual(9)
    await pass(14 * 24)
    const late = said.asked
    await pass(24)
    expect(said.asked - late).toBeGreaterThanOrEqual(20)
    await pass(6 * 24)
    expect(renewal.status().hasExpired).toBe(true)
    const after = said.asked
    await pass(24)
    expect(said.asked - after).toBeGreaterThanOrEqual(20)
  })
})
