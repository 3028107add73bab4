import { nodeCompression } from '@biotrakr/agent'
import { type Batch, decodeBatch, encodeBatch, type GatewayId } from '@biotrakr/shared'

import { type Figure, perSecond } from './figure.ts'
import { flatFixes, repeatFixes } from './fixes.ts'

const BATCH = 1_000
const FIXES = 100_000

/** The wire format alone, deflate included, in batches of 1,000 fixes. */
export function benchWire(): Figure[] {
  const set = flatFixes()
  const fixes = repeatFixes(set, FIXES)
  const batches: Batch[] = []
  for (let first = 0; first < FIXES; first += BATCH) {
    const records = fixes.slice(first, first + BATCH)
    const epoch = { counter: 1, nonce: '0123456789abcdef' }
    batches.push({ gateway: 'bench' as GatewayId, epoch, first: first + 1, last: first + records.length, records })
  }
  const encoded = batches.map((batch) => encodeBatch(batch, nodeCompression))
  const bytes = encoded.reduce((sum, { length }) => sum + length, 0)
  const encode = perSecond(() => {
    for (const batch of batches) encodeBatch(batch, nodeCompression)
    return FIXES
  })
  const decode = perSecond(() => {
    for (const batch of encoded) if (!decodeBatch(batch, nodeCompression).ok) throw new Error('a batch did not decode')
    return FIXES
  })
  const group = `wire (${set.origin})`
  return [
    { group, name: 'bytes a fix', value: bytes / FIXES, unit: 'B', goal: { atMost: 10 } },
    { group, name: 'encode', value: encode, unit: 'fixes/s', goal: { atLeast: 2e6 } },
    { group, name: 'decode', value: decode, unit: 'fixes/s', goal: { atLeast: 2e6 } },
  ]
}
