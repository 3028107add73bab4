import type { Pool } from 'pg'

/** A gateway and one of its stores, for a person. */
export interface ListedStore {
  readonly gateway: string
  readonly gatewayStatus: string
  /** Null for a gateway that never said hello. */
  readonly store: string | null
  readonly status: 'active' | 'blocked' | 'retired' | null
  readonly reason: string
  readonly opening: string | null
  /** A copy of this store is open elsewhere and kept out. */
  readonly blockedOpening: string | null
  readonly software: string
  readonly firstSeen: Date | null
  readonly lastSeen: Date | null
  /** Records of the gateway that wait until the time of their boot is known. */
  readonly waitingForTime: number
  /** End of the newest certificate that may be used; null without one. */
  readonly certificateUntil: Date | null
}

/** @param pool logged in as bt_ingest, as for everything here */
export async function listStores(pool: Pool, gateway?: string): Promise<ListedStore[]> {
  const { rows } = await pool.query<ListedStore>(
    `select g.name as gateway, g.status as "gatewayStatus", s.nonce as store, s.status, coalesce(s.reason, '') as reason,
       s.opening, s.blocked_opening as "blockedOpening", coalesce(s.software, '') as software,
       s.first_seen as "firstSeen", s.last_seen as "lastSeen",
       (select coalesce(sum(t.last_seq - t.first_seq + 1), 0)::float8 from rtls.staged t
        join rtls.watermark w on w.org_id = t.org_id and w.id = t.stream_id
        where w.gateway_id = g.id) as "waitingForTime",
       (select max(c.not_after) from site.certificate c
        where c.org_id = g.org_id and c.gateway_id = g.id and c.revoked_at is null) as "certificateUntil"
     from site.gateway g left join rtls.store s on s.gateway_id = g.id
     where $1::text is null or g.name = $1 order by g.name, s.id`,
    [gateway ?? null],
  )
  return rows
}

/**
 * Makes this store the one that is believed, after a box was replaced or when the wrong one of two was blocked. The one
 * before is retired: it is told so if it still asks. Both keep their data.
 * @returns false when no such store has said hello
 */
export async function acceptStore(pool: Pool, gateway: string, store: string): Promise<boolean> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const { rows } = await client.query<{ id: number; gateway_id: number }>(
      `select s.id, s.gateway_id from rtls.store s join site.gateway g on g.id = s.gateway_id
       where g.name = $1 and s.nonce = $2`,
      [gateway, store],
    )
    const found = rows[0]
    if (found) {
      await client.query('select pg_advisory_xact_lock(6114, $1)', [found.gateway_id])
      await client.query(
        `update rtls.store set status = 'retired', reason = 'replaced by hand', decided_at = now()
         where gateway_id = $1 and status = 'active' and id <> $2`,
        [found.gateway_id, found.id],
      )
      // Of two copies of one store, the one that asks next is believed.
      await client.query(
        `update rtls.store set status = 'active', reason = '', opening = null, former_opening = null,
           blocked_opening = null, decided_at = now(), opened_at = now() where id = $1`,
        [found.id],
      )
    }
    await client.query('commit')
    return found !== undefined
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}
