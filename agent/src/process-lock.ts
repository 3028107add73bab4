import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'

import type { BioTrakrError } from '@biotrakr/shared'

/** Who has a lock. */
export interface Holder {
  readonly pid: number
  readonly host: string
  readonly by: string
  readonly sinceMs: number
}

interface LockOptions {
  readonly by: string
  readonly nowMs: number
  /** The error for whoever comes second; undefined when the holder went at that very moment. */
  readonly inUse: (holder: Holder | undefined) => BioTrakrError
}

/**
 * Lets one process at a time through. The lock of a process that is gone gives way by itself.
 * @returns releases it
 */
export function lockProcess(file: string, { by, nowMs, inUse }: LockOptions): () => void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 })
  const own: Holder = { pid: process.pid, host: hostname(), by, sinceMs: nowMs }
  const mine = `${file}.${process.pid}`
  writeFileSync(mine, JSON.stringify(own))
  try {
    if (!tryLink(mine, file)) {
      removeIfGone(file)
      if (!tryLink(mine, file)) throw inUse(holderOf(file))
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
