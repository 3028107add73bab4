import { BioTrakrError, type Clock } from '@biotrakr/shared'

/** What the database says of itself. */
export interface DatabaseFacts {
  /** How history is kept: timescale, apache or plain. */
  readonly mode: string
  /** Version of PostgreSQL, and of TimescaleDB where it is there. */
  readonly server: string
  readonly extension: string | null
  /** Whether its schema is the one this program was made for. */
  readonly migrations: 'current' | 'behind' | 'different'
  /** Servers that follow this one, and whether it follows another itself. */
  readonly replicas: number
  readonly isReplica: boolean
  /** ISO 8601, UTC. */
  readonly backups: {
    readonly newestAt: string | null
    readonly oldestAt: string | null
    readonly drilledAt: string | null
  }
  /** Scheduled work whose last run failed. */
  readonly failedJobs: readonly string[]
}

export interface DataFacts {
  /** Assets that are not deleted, and when one of all was last changed (ISO 8601). */
  readonly assets: number
  readonly assetsChangedAt: string | null
}

interface HealthParts {
  readonly clock: Clock
  readonly software: string
  readonly org: string
  /** Asks the database now. */
  readonly probe: () => Promise<DatabaseFacts & DataFacts>
  readonly broker: () => { readonly state: string; readonly lastError: string | undefined }
  readonly newestMs: () => number | undefined
  readonly tags: () => number
  readonly viewers: () => number
}

export interface HealthDocument {
  /** False when nothing useful can be answered. */
  readonly ok: boolean
  /** `degraded`: answers are right, but not as fresh as they could be. */
  readonly status: 'ok' | 'degraded' | 'down'
  readonly software: string
  readonly org: string
  readonly database: ({ readonly reachable: true } & DatabaseFacts) | { readonly reachable: false }
  readonly broker: { readonly connected: boolean; readonly error: string | null }
  /** Event time of the newest position against the clock; null before the first. */
  readonly newestFixAgeMs: number | null
  readonly tags: number
  readonly assets: number | null
  readonly assetsChangedAt: string | null
  readonly viewers: number
}

/** One document serves all who ask within this time, because anybody may ask. */
const FRESH_MS = 1_000
const PROBE_MS = 3_000

export function createHealth(parts: HealthParts): () => Promise<HealthDocument> {
  const { clock } = parts
  let atMs = Number.NEGATIVE_INFINITY
  let document: Promise<HealthDocument> | undefined
  return () => {
    if (document === undefined || clock.monoMs() - atMs >= FRESH_MS) {
      atMs = clock.monoMs()
      document = examine(parts)
    }
    return document
  }
}

async function examine(parts: HealthParts): Promise<HealthDocument> {
  const { clock, software, org, broker, newestMs, tags, viewers } = parts
  const facts = await withinTime(clock, parts.probe()).catch(() => undefined)
  const { state, lastError } = broker()
  const ok = facts !== undefined && facts.migrations !== 'behind'
  const whole = state === 'up' && facts?.migrations === 'current'
  const newest = newestMs()
  return {
    ok,
    status: ok ? (whole ? 'ok' : 'degraded') : 'down',
    software,
    org,
    database: facts ? databasePart(facts) : { reachable: false },
    broker: { connected: state === 'up', error: lastError ?? null },
    newestFixAgeMs: newest === undefined ? null : Math.max(0, clock.wallMs() - newest),
    tags: tags(),
    assets: facts?.assets ?? null,
    assetsChangedAt: facts?.assetsChangedAt ?? null,
    viewers: viewers(),
  }
}

function databasePart(facts: DatabaseFacts & DataFacts): HealthDocument['database'] {
  const { assets: _assets, assetsChangedAt: _changed, ...database } = facts
  return { reachable: true, ...database }
}

function withinTime<T>(clock: Clock, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(PROBE_MS, () => {
      const next = 'See the load of the database server.'
      reject(new BioTrakrError('The database takes too long', { code: 'DATABASE_UNREACHABLE', next }))
    })
    work.then(resolve, reject).finally(() => timer.cancel())
  })
}
