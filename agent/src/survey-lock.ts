import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

interface Holder {
  readonly pid: number
  readonly host: string
  readonly by: string
  readonly sinceMs: number
}

/**
 * Keeps two people from surveying into one journal. The lock of a process that is gone gives way by itself.
 * @returns releases it
 * @throws BioTrakrError SURVEY_IN_USE with who holds it and since when
 */
export function lockSurvey(dir: string, who: { readonly by: string; readonly nowMs: number }): () => void {
  mkdirSync(dir, { recursive: true, mode: 0o750 })
  const file = join(dir, 'survey.lock')
  const own: Holder = { pid: process.pid, host: hostname(), by: who.by, sinceMs: who.nowMs }
  const mine = `${file}.${process.pid}`
  writeFileSync(mine, JSON.stringify(own))
  try {
    if (!tryLink(mine, file)) {
      removeIfGone(file)
      if (!tryLink(mine, file)) throw inUse(file)
    }
  } finally {
    rmSync(mine, { force: true })
  }
  return () => rmSync(file, { force: true })
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Taken away by renaming, which only one of two who find it stale can do. */
function removeIfGone(file: string): void {
  if (isHeld(holderOf(file))) return
  const aside = `${file}.gone.${process.pid}`
  try {
    renameSync(file, aside)
  } catch {
    return
  }
  // In between, another may have put their own lock there: it goes back.
  if (isHeld(holderOf(aside))) tryLink(aside, file)
  rmSync(aside, { force: true })
}

function holderOf(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder
  } catch {
    return undefined
  }
}

function isHeld(holder: Holder | undefined): boolean {
  if (!holder) return false
  return holder.host !== hostname() || isAlive(holder.pid)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function inUse(file: string): BioTrakrError {
  const holder = existsSync(file) ? holderOf(file) : undefined
  const since = holder ? new Date(holder.sinceMs).toISOString().slice(0, 16).replace('T', ' ') : 'a moment ago'
  const who = holder ? `${holder.by} (process ${holder.pid} on ${holder.host})` : 'somebody'
  return new BioTrakrError(`${who} is surveying here since ${since} UTC`, {
    code: 'SURVEY_IN_USE',
    next: `Wait until they have ended, or end that process; a lock left on another machine's disk is the file ${file}.`,
  })
}
