import type { TagId } from '@biotrakr/shared'
import { BioTrakrError, isTagId } from '@biotrakr/shared'

import { type Answer, type ReplaySummary, replayCaptures } from '../capture.ts'
import { replayBle } from '../sources.ts'
import { createAnswerWriter } from './answer-lines.ts'

export interface ReplayOptions {
  readonly ble?: string
  readonly allow: readonly string[]
  readonly only?: Answer['as']
  readonly json: boolean
}

/** `biotrakr replay`. @returns the exit code: 1 when a capture is damaged */
export async function replay(captures: readonly string[], options: ReplayOptions): Promise<number> {
  const { ble, json, only } = options
  if ((ble === undefined) === (captures.length === 0)) {
    const next = 'Write biotrakr replay CAPTURE, or biotrakr replay --ble FILE.'
    throw new BioTrakrError('replay takes captures, or one file with --ble', { code: 'USAGE', next })
  }
  if (ble !== undefined) {
    replayBleFile({ ...options, ble })
    return 0
  }
  const answers = replayCaptures(captures)
  const out = createAnswerWriter(process.stdout)
  for (let next = answers.next(); ; next = answers.next()) {
    if (next.done) {
      await out.end()
      process.stderr.write(json ? `${JSON.stringify(next.value)}\n` : summaryLines(next.value))
      return next.value.end === 'damaged' ? 1 : 0
    }
    if (only === undefined || next.value.as === only) await out.write(next.value)
  }
}

const ENDS = {
  whole: 'it is whole',
  cut: 'it was cut off; these are the answers up to there',
  damaged: 'it is damaged; these are the answers up to there',
} as const

function summaryLines({
  gateway,
  software,
  startedMs,
  readings,
  places,
  records,
  end,
  beginsLate,
}: ReplaySummary): string {
  const late = beginsLate
    ? '\nit begins in the middle of a run: the first answers may differ from those of the run'
    : ''
  return `capture of ${gateway} (biotrakr ${software}), from ${new Date(startedMs).toISOString()}
${readings} readings, ${places} answers, ${records} records
${ENDS[end]}${late}
`
}

/** Says what was in a BLE capture. */
function replayBleFile({ ble, allow, json }: ReplayOptions & { readonly ble: string }): void {
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
