import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

import { type Holder, lockProcess } from './process-lock.ts'

/**
 * Keeps two people from surveying into one journal. The lock of a process that is gone gives way by itself.
 * @returns releases it
 * @throws BioTrakrError SURVEY_IN_USE with who holds it and since when
 */
export function lockSurvey(dir: string, who: { readonly by: string; readonly nowMs: number }): () => void {
  const file = join(dir, 'survey.lock')
  return lockProcess(file, { ...who, inUse: (holder) => inUse(file, holder) })
}

function inUse(file: string, holder: Holder | undefined): BioTrakrError {
  const since = holder ? new Date(holder.sinceMs).toISOString().slice(0, 16).replace('T', ' ') : 'a moment ago'
  const who = holder ? `${holder.by} (process ${holder.pid} on ${holder.host})` : 'somebody'
  return new BioTrakrError(`${who} is surveying here since ${since} UTC`, {
    code: 'SURVEY_IN_USE',
    next: `Wait until they have ended, or end that process; a lock left on another machine's disk is the file ${file}.`,
  })
}
