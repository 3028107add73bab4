import { existsSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

import { it } from 'vitest'

/** Folder of the recorded data sets, which are no part of the repository. */
export const dataFolder = resolve(process.env['BIOTRAKR_DATA'] ?? join(import.meta.dirname, '../../../shared/data'))

const hasDataSets = existsSync(join(dataFolder, 'kolakowski-flat/meta.json'))
const programFolders = (process.env['PATH'] ?? '').split(delimiter)
const isProgram = (name: string, folders: readonly string[]) => folders.some((folder) => existsSync(join(folder, name)))
export const hasMosquitto = isProgram('mosquitto', [...programFolders, '/usr/sbin'])
export const hasSocat = isProgram('socat', programFolders)
export const hasTmux = isProgram('tmux', programFolders)
export const hasPython = isProgram('python3', programFolders)
/** Debian keeps them by version, with a name in the path of programs for each. */
export const hasPostgresTools = isProgram('pg_dump', programFolders)
export const hasSystemdNotify = isProgram('systemd-notify', programFolders)
export const hasSystemdAnalyze = isProgram('systemd-analyze', programFolders)

/**
 * `it` for a test that needs a real part. Without the part the test skips and says why in its name; with
 * BIOTRAKR_REQUIRE_ALL=1 it runs, and fails for want of the part.
 */
export function itNeeding(isThere: boolean, part: string) {
  const runs = isThere || process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
  return (name: string, body: () => Promise<void>, timeoutMs: number) =>
    runs ? it(name, body, timeoutMs) : it.skip(`${name} (SKIPPED: ${part} is not on this machine)`, body, timeoutMs)
}

/**
 * `it` for a test that plays the recorded data sets. No package brings them: a run that must not skip leaves such a test
 * out where they are not, unless BIOTRAKR_DATA names their folder.
 */
export function itWithRecordings(name: string, body: () => Promise<void>, timeoutMs: number) {
  const isNamed = process.env['BIOTRAKR_DATA'] !== undefined
  if (!hasDataSets && !isNamed && process.env['BIOTRAKR_REQUIRE_ALL'] === '1') return
  itNeeding(hasDataSets && hasMosquitto, 'a recorded data set, or mosquitto,')(name, body, timeoutMs)
}
