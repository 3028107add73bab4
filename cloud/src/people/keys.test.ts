import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { beginRotation, destroyKey, listKeys, rewrapKeys, rotateBatch } from './key-rotation.ts'
import { createVault, type KeyPurpose } from './keyring.ts'
import { createPatient, findPatient, readPatient } from './patients.ts'
import { createStaff, findStaff } from './staff.ts'
import { createTestHospital, MASTER, type TestHospital } from './test-hospital.ts'

const NEW_MASTER = 'b2'.repeat(32)
const PEOPLE = 25

let hospital: TestHospital
const patients: string[] = []

beforeAll(async () => {
  hospital = await createTestHospital()
  const { api, vault } = hospital
  for (let i = 0; i < PEOPLE; i++) {
    const made = await api((client) => createPatient(client, vault, { name: `Name ${i}`, number: `N-${i}` }))
    patients.push(made.id)
  }
  await api((client) => createStaff(client, vault, { group: 'nurse', name: 'Nurse', number: 'E-1' }))
})
afterAll(() => hospital.stop())

/** All can be opened and found, as the API does it. */
async function expectAllThere(): Promise<void> {
  const { api, vault } = hospital
  for (const [i, id] of patients.entries()) {
    const patient = await api((client) => readPatient(client, vault, id))
    expect(patient).toMatchObject({ name: `Name ${i}`, number: `N-${i}` })
    expect(await api((client) => findPatient(client, vault, { number: `n-${i}` }))).toBe(id)
  }
  expect(await api((client) => findStaff(client, vault, { number: 'E-1' }))).toBeDefined()
}

const keysOf = async (purpose: KeyPurpose) => (await hospital.jobs(listKeys)).filter((key) => key.purpose === purpose)

describe.each<KeyPurpose>(['pii', 'index'])('rotation of the key for %s', (purpose) => {
  const batch = (size: number) => hospital.jobs((client) => rotateBatch(client, hospital.vault, { purpose, size }))
  const begin = () => hospital.jobs((client) => beginRotation(client, hospital.vault, purpose))

  it('leaves everything to be read and found when it is interrupted, and goes on where it was', async () => {
    expect(await begin()).toBe(false)
    expect(await batch(10)).toBe(10)
    await expectAllThere()
    const [active, retired] = await keysOf(purpose)
    expect([active?.state, active?.uses, retired?.state, retired?.uses]).toEqual(['active', 10, 'retired', 16])
    const early = hospital.jobs((client) => destroyKey(client, retired?.id ?? ''))
    await expect(early).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await begin()).toBe(true)
    while ((await batch(10)) > 0);
    expect((await keysOf(purpose)).map(({ state, uses }) => [state, uses])).toEqual([
      ['active', PEOPLE + 1],
      ['retired', 0],
    ])
    await expectAllThere()
  })

  it('lets the old key be destroyed afterwards, and not the active one', async () => {
    const [active, retired] = await keysOf(purpose)
    await expect(hospital.jobs((client) => destroyKey(client, active?.id ?? ''))).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    await hospital.jobs((client) => destroyKey(client, retired?.id ?? ''))
    await expect(hospital.jobs((client) => destroyKey(client, retired?.id ?? ''))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    const [row] = await hospital.all('select state, wrapped_key from iam.data_key where id = $1', retired?.id)
    expect(row).toEqual({ state: 'destroyed', wrapped_key: null })
    await expectAllThere()
  })
})

describe('the master key', () => {
  it('is changed by wrapping the keys again: both files before, the new one alone afterwards', async () => {
    const both = createVault([NEW_MASTER, MASTER])
    expect(await hospital.jobs((client) => rewrapKeys(client, both))).toBe(2)
    expect(await hospital.jobs((client) => rewrapKeys(client, both))).toBe(0)
    const read = (texts: [string, ...string[]]) =>
      hospital.api((client) => readPatient(client, createVault(texts), patients[0] ?? ''))
    expect((await read([NEW_MASTER])).name).toBe('Name 0')
    await expect(read([MASTER])).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })

  it.each(['', 'a1'.repeat(31), 'g1'.repeat(32)])('is refused as %j, which the message does not repeat', (text) => {
    expect(() => createVault([text])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  it('is in no table, nor is any key that it wraps', async () => {
    const rows = await hospital.all(
      'select k::text as text from iam.data_key k union all select p::text from care.person_key p',
    )
    for (const { text } of rows) expect(String(text)).not.toContain(MASTER)
    const events = await hospital.all(`select old, new from audit.event where object = 'iam.data_key'`)
    expect(JSON.stringify(events)).toContain('"wrapped_key":"changed"')
    expect(JSON.stringify(events)).not.toContain('\\\\x01')
  })
})
