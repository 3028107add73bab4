import { userInfo } from 'node:os'
import { resolve } from 'node:path'

import { BioTrakrError, type SiteMap } from '@biotrakr/shared'
import type { Command } from 'commander'

import { type CalibrationStore, openCalibrations } from '../calibrate.ts'
import { type AgentConfig, readConfig, readSiteMap } from '../config.ts'

/** What every calibrate command wants to know: which building, and where its calibration lies. */
export interface SiteOptions {
  readonly config?: string
  readonly map?: string
  readonly dir?: string
}

export interface Site {
  /** As it is written, without the calibration. */
  readonly map: SiteMap
  readonly store: CalibrationStore
  readonly config: AgentConfig | undefined
}

export function withSite(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      "the agent's configuration: its site map, tags, sources and folder of the calibration",
    )
    .option('--map <file>', 'this site map instead (YAML or JSON)')
    .option('--dir <folder>', 'this folder of the calibration instead')
}

/**
 * @param map takes the place of a site map that is not named
 * @throws BioTrakrError USAGE, CONFIG_UNREADABLE, CONFIG_INVALID
 */
export function openSite(options: SiteOptions, map?: SiteMap): Site {
  const config = options.config === undefined ? undefined : readConfig(options.config, { withCalibration: false })
  const dir = options.dir === undefined ? config?.calibration : resolve(options.dir)
  const own = options.map === undefined ? (map ?? config?.siteMapDocument) : readSiteMap(options.map)
  if (own !== undefined && dir !== undefined) return { map: own, store: openCalibrations(dir), config }
  throw new BioTrakrError('which building? Neither a configuration nor a site map and a folder are named', {
    code: 'USAGE',
    next: 'Give --config FILE, or --map FILE and --dir FOLDER.',
  })
}

/** Who runs this, for the record. */
export function whoami(): string {
  const asRoot = process.env['SUDO_USER']
  if (asRoot !== undefined && asRoot !== '') return asRoot.slice(0, 64)
  try {
    return userInfo().username.slice(0, 64)
  } catch {
    return 'unknown'
  }
}

/** Words of a note as they are kept. */
export function noteOf(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').slice(0, 256)
}

export function dateWords(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
