import { METHOD, REASON } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import type { Step } from './walk.ts'

interface FixRows {
  readonly orgId: number
  readonly facilityId: number
  /** Name of the gateway under whose numbers they are kept. */
  readonly gateway: string
  readonly walks: Iterable<readonly [tag: string, steps: Iterable<Step>]>
}

const BATCH = 20_000
/** Of the stream: first start of a store that never was. */
const EPOCH = '1-5eed5eed5eed5eed'

/**
 * Writes fixes as the ledger leaves them: in the history under numbers of a stream, the stream marked for the jobs that
 * derive stays and sums, the newest of each tag as its position.
 * @param client superuser, in a transaction
 * @returns how many
 */
export async function writeFixes(client: ClientBase, { orgId, facilityId, gateway, walks }: FixRows): Promise<number> {
  const stream = await client.query<{ id: number }>(
    `insert into rtls.watermark (org_id, gateway_id, epoch)
     select org_id, id, $3 from site.gateway where org_id = $1 and name = $2 returning id`,
    [orgId, gateway, EPOCH],
  )
  const streamId = stream.rows[0]?.id
  let written = 0
  let rows: (readonly [string, Step])[] = []
  const flush = async () => {
    await client.query(INSERT, [
      orgId,
      facilityId,
      streamId,
      written,
      rows.map(([tag]) => tag),
      rows.map(([, { atMs }]) => atMs),
      rows.map(([, { room }]) => room),
      rows.map(([, { confidence }]) => confidence),
      METHOD.BLE,
      REASON.none,
    ])
    written += rows.length
    rows = []
  }
  for (const [tag, steps] of walks) {
    for (const step of steps) rows.push([tag, step])
    if (rows.length >= BATCH) await flush()
  }
  await flush()
  await client.query(MARK, [streamId, written])
  await client.query(POSITIONS, [orgId, streamId])
  return written
}

const INSERT = `
insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method, reason,
  confidence, map_version)
select to_timestamp(f.at / 1000.0), $1, $2, g.id, r.id, $3, $4::bigint + f.n, 1000, $9, $10, f.confidence, 1
from unnest($5::text[], $6::float8[], $7::text[], $8::int[]) with ordinality as f (tag, at, room, confidence, n)
join rtls.tag g on g.org_id = $1 and g.identity = f.tag
join site.room r on r.org_id = $1 and r.facility_id = $2 and r.code = f.room`

const MARK = `
update rtls.watermark set hw = $2::bigint, rows = $2::bigint, first_t = n.first, newest_t = n.newest, dirty_from = n.first,
  dirty_seq = 1
from (select min(t) as first, max(t) as newest from telemetry.location_history where stream_id = $1) as n
where id = $1 and n.first is not null`

const POSITIONS = `
insert into rtls.position (org_id, tag_id, facility_id, room_id, t, since, method, reason, confidence, stream_id, seq,
  map_version)
select distinct on (tag_id) org_id, tag_id, facility_id, room_id, t, t, method, reason, confidence, stream_id, seq, map_version
from telemetry.location_history where org_id = $1 and stream_id = $2 order by tag_id, t desc`
