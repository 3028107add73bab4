import { createTestDatabase } from '@biotrakr/cloud/test-database'
import { measureIsolation } from '@biotrakr/cloud/test-isolation'

import type { Figure } from './figure.ts'

const REQUESTS = 10_000

/** Requests of mixed organisations and facilities at once, on the connections of one server. */
export async function benchIsolation(): Promise<Figure[]> {
  const database = await createTestDatabase()
  try {
    const { requests, rows, foreign, missing, seconds } = await measureIsolation(database, REQUESTS)
    const group = `${requests} requests of 4 organisations and 12 facilities at once, 8 connections`
    return [
      { group, name: 'foreign rows', value: foreign, unit: '', goal: { atMost: 0 } },
      { group, name: 'missing rows', value: missing, unit: '', goal: { atMost: 0 } },
      { group, name: 'rows seen', value: rows, unit: '' },
      { group, name: 'requests', value: Math.round(requests / seconds), unit: '/s' },
    ]
  } finally {
    await database.stop()
  }
}
