import { describe, expect, it } from 'vitest'

import { measureIsolation } from './test-isolation.ts'
import { createTestDatabase } from './upkeep/test-database.ts'

describe('many requests at once on few connections', () => {
  it('see their own organisation and facilities, all of it and nothing else', async () => {
    const database = await createTestDatabase()
    const { rows, foreign, missing, broken } = await measureIsolation(database, 600)
    expect(rows).toBeGreaterThan(5_000)
    expect(broken).toBeGreaterThan(5)
    expect([foreign, missing]).toEqual([0, 0])
    await database.stop()
  })

  it('would be found out: one policy too many shows as foreign rows', async () => {
    const database = await createTestDatabase()
    await database.ownerClient.query('create policy leak on site.room for select to bt_api using (true)')
    expect((await measureIsolation(database, 40)).foreign).toBeGreaterThan(0)
    await database.stop()
  })
})
