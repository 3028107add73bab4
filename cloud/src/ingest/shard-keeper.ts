import type { Clock, Timer } from '@biotrakr/shared'
import type { Logger } from 'pino'

/** What this stage needs of the leases on shards. */
interface Leases {
  beat(): Promise<{ readonly held: readonly number[]; readonly surplus: readonly number[] }>
  release(shards: readonly number[]): Promise<void>
  leave(): Promise<void>
}

interface Options {
  readonly leases: Leases
  readonly clock: Clock
  readonly log: Logger
  readonly everyMs: number
  /** Reads these shards from now on and no others; settles when what is no longer read has been unsubscribed. */
  readonly read: (shards: readonly number[]) => Promise<void>
}

export interface ShardKeeper {
  /** Settles with the first answer of the database, or when there is none. */
  start(): Promise<void>
  /** Gives the shards back. */
  stop(): Promise<void>
  /** Shards that are read; none before the first answer of the database. */
  shards(): readonly number[]
}

/**
 * Renews this ingester's leases and reads what they cover. While the database cannot be asked, the shards of the last
 * answer are kept: nobody else can take them then, and nothing could be stored anyway.
 */
export function createShardKeeper({ leases, clock, log, everyMs, read }: Options): ShardKeeper {
  let shards: readonly number[] = []
  let failures = 0
  let stopped = false
  let timer: Timer | undefined
  let running: Promise<void> = Promise.resolve()

  const take = async (held: readonly number[]) => {
    const before = shards
    shards = held
    if (held.length !== before.length || held.some((shard, i) => shard !== before[i])) {
      log.info(
        { event: 'ingest.shards', count: held.length, before: before.length },
        'reading other shards from now on',
      )
    }
    await read(held)
  }

  const beat = async () => {
    try {
      const { held, surplus } = await leases.beat()
      if (stopped) return
      await take(held.filter((shard) => !surplus.includes(shard)))
      if (surplus.length > 0) await leases.release(surplus)
    } catch (error) {
      failures += 1
      log.warn({ event: 'ingest.leases', failures, error: String(error) }, 'the leases on shards were not renewed')
    }
    if (!stopped) timer = clock.after(everyMs, () => void start())
  }

  const start = () => {
    running = beat()
    return running
  }

  return {
    start,
    stop: async () => {
      stopped = true
      timer?.cancel()
      await running
      // Without a database the leases run out by themselves.
      await leases.leave().catch(() => undefined)
    },
    shards: () => shards,
  }
}
