import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { scramVerifier, setPassword } from './logins.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.stop())

describe('passwords of logins', () => {
  it('reach the server as what it keeps of them, never as themselves', async () => {
    const said: string[] = []
    const client = { query: async (text: string) => said.push(text) } as never
    await setPassword(client, 'bt_api', 'canary-password-of-the-api')
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(/^alter role "bt_api" password 'SCRAM-SHA-256\$4096:/)
    expect(said[0]).not.toContain('canary')
  })

  it('are what the server itself would have made of the same password and salt', async () => {
    const password = 'canary pässword of sixteen'
    const { ownerClient } = database
    await ownerClient.query(`set password_encryption = 'scram-sha-256'`)
    await ownerClient.query(`create role scram_probe password '${password}'`)
    const found = await ownerClient.query(`select rolpassword from pg_authid where rolname = 'scram_probe'`)
    await ownerClient.query('drop role scram_probe')
    const theirs = String(found.rows[0].rolpassword)
    const salt = Buffer.from(theirs.split(/[:$]/)[2] ?? '', 'base64')
    expect(scramVerifier(password, salt)).toBe(theirs)
  })

  it('are refused when they are short, or for a login that is not ours', async () => {
    const client = new Client()
    await expect(setPassword(client, 'postgres', 'a-long-enough-password')).rejects.toThrow(/no login of this product/)
    await expect(setPassword(client, 'bt_api', 'short')).rejects.toThrow(/shorter than 16/)
  })
})
