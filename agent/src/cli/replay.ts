import type { TagId } from '@biotrakr/shared'
import { BioTrakrError, isTagId } from '@biotrakr/shared'

import { replayBle } from '../sources.ts'

interface ReplayOptions {
  readonly ble: string
  readonly allow: readonly string[]
  readonly json: boolean
}

/** `biotrakr replay --ble FILE`: runs a capture through the decoder and says what was in it. */
export function replayCapture({ ble, allow, json }: ReplayOptions): void {
  const unknown = allow.filter((tag) => !isTagId(tag))
  if (unknown.length > 0) {
    const next = 'Write identities such as ble:c30000123456 or ibeacon:<uuid>/<major>/<minor>.'
    throw new BioTrakrError(`not a tag identity: ${unknown.join(', ')}`, { code: 'USAGE', next })
  }
  const summary = replayBle({ path: ble, allow: new Set(allow as TagId[]) })
  process.stdout.write(json ? `${JSON.stringify(summary)}\n` : plainLines(summary))
}

function plainLines(summary: object, indent = ''): string {
  return Object.entries(summary)
    .map(([key, value]) => {
      if (Array.isArray(value))
        return value.length === 0 ? '' : `${indent}${key}:\n${value.map((line) => `${indent}  ${line}\n`).join('')}`
      if (typeof value === 'object' && value !== null) return `${indent}${key}:\n${plainLines(value, `${indent}  `)}`
      return `${indent}${key}: ${value}\n`
    })
    .join('')
}
