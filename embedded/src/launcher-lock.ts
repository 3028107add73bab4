import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

import { commandLine } from './processes.ts'

/** What a launcher writes into the data folder while it runs. */
interface Holder {
  readonly pid: number
  /** Its command line: after a reboot the process id may belong to somebody else. */
  readonly command: string
}

export interface LauncherLock {
  release(): void
}

/**
 * Makes sure that one launcher at a time works in a data folder. The lock of a launcher that was killed is taken over.
 * @throws BioTrakrError DATA_IN_USE, naming the process that holds the folder
 */
export function takeLock(folder: string): LauncherLock {
  const file = join(folder, 'launcher.pid')
  const own: Holder = { pid: process.pid, command: commandLine(process.pid) ?? '' }
  for (let attempt = 0; attempt < 5; attempt++) {
    if (create(file, own)) return { release: () => rmSync(file, { force: true }) }
    const text = read(file)
    const holder = parse(text)
    if (holder && holder.pid !== process.pid && commandLine(holder.pid) === holder.command) throw inUse(folder, holder)
    setAside(file, text)
  }
  throw inUse(folder, parse(read(file)))
}

function create(file: string, own: Holder): boolean {
  try {
    writeFileSync(file, `${JSON.stringify(own)}\n`, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Renaming is atomic, so of two launchers that find the same stale lock, one removes it and the other looks again. */
function setAside(file: string, judged: string): void {
  const aside = `${file}.stale-${process.pid}`
  try {
    renameSync(file, aside)
  } catch {
    return
  }
  const taken = read(aside)
  if (taken !== judged) renameSync(aside, file)
  else rmSync(aside, { force: true })
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function parse(text: string): Holder | undefined {
  try {
    const { pid, command } = JSON.parse(text) as Partial<Holder>
    return typeof pid === 'number' && typeof command === 'string' ? { pid, command } : undefined
  } catch {
    return undefined
  }
}

function inUse(folder: string, holder: Holder | undefined): BioTrakrError {
  const who = holder ? `process ${holder.pid}` : 'another launcher'
  return new BioTrakrError(`${folder} is in use by ${who}`, {
    code: 'DATA_IN_USE',
    next: `End it first${holder ? ` (kill ${holder.pid})` : ''}, or choose another folder with --data.`,
  })
}
