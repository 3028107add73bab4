import type { ClientBase } from 'pg'

import type { GatewayEntry } from './directory.ts'
import type { UnknownTime } from './record-time.ts'

/** A row of rtls.watermark while its transaction runs. */
export interface Watermark {
  readonly gateway: GatewayEntry
  readonly epochText: string
  /** Its id, 0 while it does not exist. */
  streamId: number
  /** Everything up to here is committed, or will be with this transaction. */
  hw: number
  /** What this transaction adds. */
  rows: number
  quarantined: number
  firstMs: number
  newestMs: number
  /** The stretch without a known time that the stream is in at `hw`. */
  unknownTime: UnknownTime | undefined
}

/** A server set to lose commits at a crash would break the promise behind every acknowledgement. */
const BEGIN = `begin; select set_config('synchronous_commit', 'on', true)
  where current_setting('synchronous_commit') in ('off', 'local', 'remote_write')`

/** Opens the transaction and locks the rows, which are made where they are missing. */
export async function beginLocked(client: ClientBase, groups: readonly Watermark[]): Promise<void> {
  await client.query(BEGIN)
  if (await lockStreams(client, groups)) return
  await client.query('rollback')
  // On its own, so that a new row is not held while waiting for the lock of an older one.
  const missing = groups.filter((group) => group.streamId === 0)
  await client.query({
    name: 'new-streams',
    text: `insert into rtls.watermark (org_id, gateway_id, epoch)
      select * from unnest($1::int[], $2::int[], $3::text[]) on conflict (gateway_id, epoch) do nothing`,
    values: [
      missing.map((group) => group.gateway.orgId),
      missing.map((group) => group.gateway.id),
      missing.map((group) => group.epochText),
    ],
  })
  await client.query(BEGIN)
  if (!(await lockStreams(client, groups))) throw new Error('a watermark row vanished while it was made')
}

interface LockedRow {
  id: number
  gateway_id: number
  epoch: string
  hw: string
  unsynced_boot: string | null
  unsynced_offset_ms: string | null
}

async function lockStreams(client: ClientBase, groups: readonly Watermark[]): Promise<boolean> {
  const found = await client.query<LockedRow>({
    name: 'lock-streams',
    text: `select w.id, w.gateway_id, w.epoch, w.hw, w.unsynced_boot, w.unsynced_offset_ms
      from unnest($1::int[], $2::text[]) as q (gateway_id, epoch)
      join rtls.watermark w on w.gateway_id = q.gateway_id and w.epoch = q.epoch
      order by w.id for update of w`,
    values: [groups.map((group) => group.gateway.id), groups.map((group) => group.epochText)],
  })
  const rows = new Map(found.rows.map((row) => [`${row.gateway_id}/${row.epoch}`, row]))
  let all = true
  for (const group of groups) {
    const row = rows.get(`${group.gateway.id}/${group.epochText}`)
    group.streamId = row?.id ?? 0
    group.hw = Number(row?.hw ?? 0)
    group.unknownTime = row?.unsynced_boot
      ? { bootId: row.unsynced_boot, offsetMs: Number(row.unsynced_offset_ms) }
      : undefined
    all &&= row !== undefined
  }
  return all
}

export async function moveWatermarks(client: ClientBase, groups: readonly Watermark[]): Promise<void> {
  const time = (ms: number) => (Number.isFinite(ms) ? ms : null)
  await client.query({
    name: 'move-streams',
    text: `update rtls.watermark w set hw = m.hw, rows = w.rows + m.rows, quarantined = w.quarantined + m.quarantined,
        first_t = least(w.first_t, to_timestamp(m.first_ms / 1000.0)),
        newest_t = greatest(w.newest_t, to_timestamp(m.newest_ms / 1000.0)),
        dirty_from = least(w.dirty_from, to_timestamp(m.first_ms / 1000.0)),
        dirty_seq = case when m.first_ms is null then w.dirty_seq else least(w.dirty_seq, w.hw + 1) end,
        unsynced_boot = m.boot, unsynced_offset_ms = m.offset_ms, updated_at = now()
      from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::float8[], $6::float8[], $7::text[],
          $8::bigint[])
        as m (id, hw, rows, quarantined, first_ms, newest_ms, boot, offset_ms)
      where w.id = m.id and m.hw > w.hw`,
    values: [
      groups.map((group) => group.streamId),
      groups.map((group) => group.hw),
      groups.map((group) => group.rows),
      groups.map((group) => group.quarantined),
      groups.map((group) => time(group.firstMs)),
      groups.map((group) => time(group.newestMs)),
      groups.map((group) => group.unknownTime?.bootId ?? null),
      groups.map((group) => group.unknownTime?.offsetMs ?? null),
    ],
  })
}

/** What was added to a stream below its watermark. */
interface LateRows {
  readonly records: number
  readonly quarantined: number
  /** Oldest event time among them, wall milliseconds; Infinity when there is none. */
  readonly firstMs: number
  readonly firstSeq: number
}

/** Accounts for rows that waited, for their time or for a person, and are in the history from now on. */
export async function addLateRows(client: ClientBase, streamId: number, rows: LateRows): Promise<void> {
  const { records, quarantined, firstMs, firstSeq } = rows
  await client.query({
    name: 'late-rows',
    text: `update rtls.watermark w set rows = w.rows + $2, quarantined = w.quarantined + $3, updated_at = now(),
        dirty_from = least(w.dirty_from, to_timestamp($4::float8 / 1000.0)),
        dirty_seq = case when $4::float8 is null then w.dirty_seq else least(w.dirty_seq, $5::bigint) end
      where w.id = $1`,
    values: [streamId, records, quarantined, Number.isFinite(firstMs) ? firstMs : null, firstSeq],
  })
}
