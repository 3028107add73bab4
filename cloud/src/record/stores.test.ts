import type { GatewayId, Hello } from '@biotrakr/shared'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { greet } from './greeting.ts'
import { acceptStore, listStores } from './store-list.ts'
import { createTestLedger, GATEWAYS, type TestLedger, testClock } from './test-ledger.ts'

const [GATEWAY] = GATEWAYS as [GatewayId]
const opening = (counter: number, letter: string) => `${counter}-${letter.repeat(16)}`

describe('whose hello is believed, on a real PostgreSQL', () => {
  let ledger: TestLedger

  beforeAll(async () => {
    ledger = await createTestLedger()
  })
  afterAll(() => ledger.stop())
  beforeEach(async () => {
    await ledger.database.ownerClient.query('truncate rtls.store')
  })

  const say = async (store: string, other: Partial<Hello> = {}) => {
    const greeting = await greet(ledger.pool, testClock, GATEWAY, { software: '1', store, epochs: [], ...other })
    if (!greeting) return 'no answer'
    return [greeting.ok ? 'welcome' : greeting.code, ...(greeting.notice ? [greeting.notice] : [])].join(' ')
  }
  /** As if so long had passed since the newest store or opening was first heard of. */
  const wait = (seconds: number) =>
    ledger.database.ownerClient.query(`update rtls.store set opened_at = opened_at - interval '${seconds} s'`)

  it('believes the first box, and the same box again', async () => {
    expect(await say('one')).toBe('welcome')
    expect(await say('one')).toBe('welcome')
  })

  it('blocks a second box of the same name and goes on with the first', async () => {
    await say('one')
    expect(await say('two')).toBe('STORE_TWIN STORE_TWIN')
    expect(await say('two')).toBe('STORE_TWIN')
    expect(await say('one')).toBe('welcome')
    expect(await listStores(ledger.pool, GATEWAY)).toMatchObject([
      { store: 'one', status: 'active' },
      { store: 'two', status: 'blocked', reason: 'twin' },
    ])
  })

  it('takes a new box in place of the old one when a person says so', async () => {
    await say('one')
    await say('two')
    expect(await acceptStore(ledger.pool, GATEWAY, 'two')).toBe(true)
    expect(await say('two')).toBe('welcome')
    expect(await say('one')).toBe('STORE_RETIRED')
    expect(await acceptStore(ledger.pool, GATEWAY, 'never')).toBe(false)
  })

  it('takes the new store of the same box by itself, unless the old store comes back', async () => {
    await say('one', { box: 'b1' })
    expect(await say('two', { box: 'b1' })).toBe('welcome STORE_REPLACED')
    expect(await say('one', { box: 'b1' })).toBe('no answer')
    await wait(31)
    expect(await say('one', { box: 'b1' })).toBe('welcome STORE_TWIN')
    expect(await say('two', { box: 'b1' })).toBe('STORE_TWIN')
  })

  it('does not take the store of another box for a new one of the same', async () => {
    await say('one', { box: 'b1' })
    expect(await say('two', { box: 'b2' })).toBe('STORE_TWIN STORE_TWIN')
    expect(await say('three')).toBe('STORE_TWIN STORE_TWIN')
  })

  it('follows a store from opening to opening', async () => {
    for (let counter = 1; counter <= 3; counter++) {
      expect(await say('one', { opening: opening(counter, 'a') })).toBe('welcome')
    }
  })

  it('notices a store that was put back to an earlier state, and takes it', async () => {
    await say('one', { opening: opening(7, 'a') })
    expect(await say('one', { opening: opening(5, 'b') })).toBe('welcome STORE_RESTORED')
    expect(await say('one', { opening: opening(6, 'b') })).toBe('welcome')
  })

  it('blocks the newer of two copies of one store as soon as both are seen alive', async () => {
    await say('one', { opening: opening(7, 'a') })
    await say('one', { opening: opening(7, 'b') })
    expect(await say('one', { opening: opening(7, 'a') })).toBe('no answer')
    await wait(31)
    expect(await say('one', { opening: opening(7, 'a') })).toBe('welcome STORE_TWIN')
    expect(await say('one', { opening: opening(7, 'b') })).toBe('STORE_TWIN')
    expect(await say('one', { opening: opening(7, 'a') })).toBe('welcome')
    expect(await listStores(ledger.pool, GATEWAY)).toMatchObject([{ blockedOpening: opening(7, 'b') }])
  })

  it('remembers fifty stores of a gateway and refuses more without a trace', async () => {
    for (let i = 0; i < 55; i++) await say(`store-${i}`)
    expect(await listStores(ledger.pool, GATEWAY)).toHaveLength(50)
  })

  it('judges two hellos at once one after the other', async () => {
    const answers = await Promise.all(['one', 'two', 'three', 'four'].map((store) => say(store)))
    expect(answers.filter((answer) => answer === 'welcome')).toHaveLength(1)
    expect(answers.filter((answer) => answer === 'STORE_TWIN STORE_TWIN')).toHaveLength(3)
  })
})
