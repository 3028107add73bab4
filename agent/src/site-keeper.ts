import {
  BioTrakrError,
  type Clock,
  explainError,
  type Random,
  type SignedSite,
  sitePath,
  type Timer,
} from '@biotrakr/shared'
import type { Logger } from 'pino'

import { centreAuthorities } from './centre-trust.ts'
import { type AgentConfig, readSecret } from './config.ts'
import { type GivenSite, keepSite, openSite, readCachedSite, siteFolder } from './site-cache.ts'
import { fetchSite } from './upkeep/site-fetch.ts'

interface KeeperParts {
  readonly config: {
    readonly gateway: string
    readonly dataDir: string
    readonly centre: NonNullable<AgentConfig['centre']>
  }
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** A newer site lies on disk; throws when it cannot be used. */
  readonly onNew: () => void
}

/** What health says of the site. */
export interface SiteStatus {
  /** Version in use; undefined before the first. */
  readonly version: number | undefined
  /** Wall milliseconds at which the centre last said what the newest is. */
  readonly checkedMs: number | undefined
  readonly refused: number
  readonly problem: { readonly code: string; readonly message: string; readonly next: string } | undefined
}

export interface SiteKeeper {
  start(): void
  stop(): void
  /** Asks now. @throws BioTrakrError when no newer one could be had or taken */
  refresh(): Promise<void>
  status(): SiteStatus
}

/** A gateway works without the centre; a site that nobody renews for a day is worth a word. */
const SILENT_MS = 24 * 3_600_000
const MINUTE = 60_000

/**
 * Asks the centre for a newer site and takes only what is signed, whole and not older than what it has. Whatever goes
 * wrong, the last good one stays in use, for as long as it takes.
 */
export function createSiteKeeper({ config, clock, random, log, onNew }: KeeperParts): SiteKeeper {
  const { gateway, dataDir, centre } = config
  const folder = siteFolder(dataDir)
  const wanted = { gateway, siteKeyFile: centre.siteKeyFile }
  let timer: Timer | undefined
  let stopped = false
  let etag: string | undefined
  let refused = 0
  let problem: BioTrakrError | undefined
  let checkedMs: number | undefined
  let silentSinceMs = clock.monoMs()
  let version = versionOf(folder, wanted)

  const take = (text: string, origin: string): boolean => {
    const signed = JSON.parse(text) as SignedSite
    const site = openSite(signed, { ...wanted, origin })
    const held = readCachedSite(folder, wanted)
    refuseOlder(site, held)
    if (held?.version === site.version) return false
    keepSite(folder, signed, site)
    version = site.version
    log.info({ event: 'site.taken', version: site.version }, 'a new site came from the centre')
    return true
  }

  const refresh = async () => {
    const url = new URL(sitePath(gateway), centre.url).href
    const token = centre.tokenFile && readSecret(centre.tokenFile)
    const ca = centreAuthorities(config)
    const answer = await fetchSite({ url, token, ca, etag })
    if (answer.kind === 'site' && taken(answer.text, url, take)) onNew()
    if (answer.kind === 'site') etag = answer.etag
    checkedMs = clock.wallMs()
    silentSinceMs = clock.monoMs()
  }

  const again = async () => {
    try {
      await refresh()
      problem = undefined
    } catch (error) {
      problem = error instanceof BioTrakrError ? error : undefined
      if (problem?.code !== 'SITE_UNREACHABLE') refused += 1
      const level = problem?.code === 'SITE_UNREACHABLE' ? 'warn' : 'error'
      log[level](
        { event: 'site.refused', error: explainError(error) },
        'no newer site was taken; the last good one stays',
      )
    }
    plan(centre.refreshMinutes * MINUTE)
  }
  const plan = (ms: number) => {
    // Spread, so that a thousand gateways do not ask in the same second.
    if (!stopped) timer = clock.after(ms * (0.8 + 0.4 * random()), () => void again())
  }

  return {
    refresh,
    start: () => plan(Math.min(MINUTE / 6, centre.refreshMinutes * MINUTE)),
    stop() {
      stopped = true
      timer?.cancel()
    },
    status() {
      const isQuiet = problem?.code === 'SITE_UNREACHABLE' && clock.monoMs() - silentSinceMs < SILENT_MS
      const { code, message, next } = problem ?? {}
      const told = !isQuiet && code && message && next ? { code, message, next } : undefined
      return { version, checkedMs, refused, problem: told }
    },
  }
}

function taken(text: string, origin: string, take: (text: string, origin: string) => boolean): boolean {
  try {
    return take(text, origin)
  } catch (cause) {
    if (cause instanceof BioTrakrError) throw cause
    throw new BioTrakrError(`${origin} is no JSON, or was cut off`, {
      code: 'SITE_INVALID',
      next: 'See whether another server answers at centre.url; the last good site stays in use.',
      cause,
    })
  }
}

/** Who can replay an old answer of the centre could bring back tags that were taken off the list. */
function refuseOlder(site: GivenSite, held: GivenSite | undefined): void {
  if (held === undefined || site.version >= held.version) return
  throw new BioTrakrError(`the centre offers site ${site.version}, older than ${held.version}, which is in use`, {
    code: 'SITE_OUTDATED',
    next: 'If its database was restored, publish the site once more: `biotrakr-cloud site publish`.',
  })
}

function versionOf(folder: string, wanted: { gateway: string; siteKeyFile: string }): number | undefined {
  try {
    return readCachedSite(folder, wanted)?.version
  } catch {
    // What is wrong with it was said when it was read.
    return undefined
  }
}
