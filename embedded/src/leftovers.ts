import { existsSync, readFileSync, rmSync } from 'node:fs'

import type { DataFolder } from './data-folder.ts'
import { endOrphan } from './processes.ts'

/** From the source of records to where they are kept, so that nothing is cut off from what it depends on. */
const ORDER = ['agent', 'serve', 'ingest', 'broker', 'postgresql']
const PATIENCE_MS = 20_000

/**
 * Ends what a killed launcher left behind in this data folder: only processes that its pid files name and whose command
 * line names the folder.
 * @returns the names of those that had to be ended
 */
export async function endLeftovers(folder: Pick<DataFolder, 'at' | 'path' | 'serverPath'>): Promise<string[]> {
  const ended: string[] = []
  for (const name of ORDER) {
    const file = folder.at('run', `${name}.pid`)
    if (!existsSync(file)) continue
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    const polite = name === 'postgresql' ? 'SIGINT' : 'SIGTERM'
    for (const mark of new Set([`${folder.path}/`, `${folder.serverPath}/`])) {
      if (pid > 1 && (await endOrphan(pid, mark, { polite, withinMs: PATIENCE_MS }))) ended.push(name)
    }
    rmSync(file, { force: true })
  }
  return ended
}
