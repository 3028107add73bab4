import type { Clock, GatewayId, Hello } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

import { withClient } from './session.ts'
import { judgeStore, type StoreChange, type StoreNotice, type StoreRefusal, type StoreRow } from './stores.ts'

/** Quarantined runs named in one welcome, newest first; the rest stands in the total only. */
const MAX_NAMED = 100

interface WaitingRun {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly code: string
}

export type Greeting =
  | {
      readonly ok: true
      /** Committed sequence number of each epoch asked for, 0 for one never heard of. */
      readonly epochs: readonly { readonly epoch: string; readonly hw: number }[]
      /** What of this gateway waits in quarantine. */
      readonly quarantined: { readonly total: number; readonly runs: readonly WaitingRun[] }
      /** Epochs of which the centre has more than the store: the store was put back to an earlier state. */
      readonly ahead: readonly string[]
      readonly notice?: StoreNotice
    }
  | {
      readonly ok: false
      readonly code: 'GATEWAY_UNKNOWN' | 'GATEWAY_BLOCKED' | StoreRefusal
      readonly notice?: StoreNotice
    }

/**
 * What the centre has of a gateway that said hello, provided that it is the box that it should be.
 * @param pool logged in as bt_ingest
 * @returns undefined for a hello that is not to be answered
 */
export function greet(pool: Pool, clock: Clock, gateway: GatewayId, hello: Hello): Promise<Greeting | undefined> {
  return withClient(pool, clock, async (client) => {
    await client.query('begin')
    const greeting = await greetIn(client, gateway, hello)
    await client.query('commit')
    return greeting
  })
}

async function greetIn(client: ClientBase, gateway: GatewayId, hello: Hello): Promise<Greeting | undefined> {
  const known = await client.query<{ id: number; org_id: number; status: string }>({
    name: 'hello-gateway',
    text: 'select id, org_id, status from site.gateway where name = $1',
    values: [gateway],
  })
  const row = known.rows[0]
  if (!row) return { ok: false, code: 'GATEWAY_UNKNOWN' }
  if (row.status !== 'active' && row.status !== 'offline') return { ok: false, code: 'GATEWAY_BLOCKED' }
  const { answer, notice } = await admit(client, { id: row.id, orgId: row.org_id }, hello)
  const said = notice && { notice }
  if (answer === 'ignore') return undefined
  if (answer !== 'welcome') return { ok: false, code: answer, ...said }
  const epochs = await committed(client, row.id, hello)
  const ahead = hello.epochs.flatMap(({ epoch, last }, i) => ((epochs[i]?.hw ?? 0) > last ? [epoch] : []))
  return { ok: true, epochs, ahead, quarantined: await waiting(client, gateway), ...said }
}

interface GatewayKey {
  readonly id: number
  readonly orgId: number
}

async function admit(client: ClientBase, gateway: GatewayKey, hello: Hello) {
  // Two hellos of one gateway at two ingesters are judged one after the other.
  await client.query('select pg_advisory_xact_lock(6114, $1)', [gateway.id])
  const { rows } = await client.query<StoreRow & { nowMs: number }>({
    name: 'hello-stores',
    text: `select id, nonce, box, status, reason, opening, former_opening as "formerOpening",
        blocked_opening as "blockedOpening", extract(epoch from opened_at)::float8 * 1000 as "openedMs",
        extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs"
      from rtls.store where gateway_id = $1 order by id`,
    values: [gateway.id],
  })
  const verdict = judgeStore(rows, hello, rows[0]?.nowMs ?? 0)
  for (const change of verdict.changes) await applyChange(client, change)
  if (verdict.enter) await enter(client, gateway, { hello, status: verdict.enter })
  else await touch(client, gateway, hello)
  return verdict
}

async function applyChange(client: ClientBase, { id, set, opened = false }: StoreChange): Promise<void> {
  const has = (key: keyof typeof set) => key in set
  await client.query({
    name: 'store-change',
    text: `update rtls.store set
        status = case when $2 then $3 else status end, reason = case when $2 then $4 else reason end,
        opening = case when $5 then $6 else opening end,
        former_opening = case when $5 then $7 else former_opening end,
        blocked_opening = case when $8 then $9 else blocked_opening end,
        opened_at = case when $10 then now() else opened_at end
      where id = $1`,
    values: [
      id,
      has('status'),
      set.status ?? '',
      set.reason ?? '',
      has('opening'),
      set.opening ?? null,
      set.formerOpening ?? null,
      has('blockedOpening'),
      set.blockedOpening ?? null,
      opened,
    ],
  })
}

interface Entry {
  readonly hello: Hello
  readonly status: 'active' | 'blocked'
}

async function enter(client: ClientBase, gateway: GatewayKey, { hello, status }: Entry): Promise<void> {
  await client.query({
    name: 'store-enter',
    text: `insert into rtls.store (org_id, gateway_id, nonce, box, status, reason, opening, software)
      values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [
      gateway.orgId,
      gateway.id,
      hello.store,
      hello.box ?? null,
      status,
      status === 'blocked' ? 'twin' : '',
      hello.opening ?? null,
      hello.software,
    ],
  })
}

async function touch(client: ClientBase, gateway: GatewayKey, { store, box, software }: Hello): Promise<void> {
  await client.query({
    name: 'store-touch',
    text: `update rtls.store set last_seen = now(), box = coalesce($3, box), software = $4
      where gateway_id = $1 and nonce = $2`,
    values: [gateway.id, store, box ?? null, software],
  })
}

async function committed(client: ClientBase, gatewayId: number, { epochs }: Hello) {
  const found = await client.query<{ epoch: string; hw: string }>({
    name: 'hello-streams',
    text: 'select epoch, hw from rtls.watermark where gateway_id = $1 and epoch = any($2)',
    values: [gatewayId, epochs.map(({ epoch }) => epoch)],
  })
  const marks = new Map(found.rows.map(({ epoch, hw }) => [epoch, Number(hw)]))
  return epochs.map(({ epoch }) => ({ epoch, hw: marks.get(epoch) ?? 0 }))
}

async function waiting(client: ClientBase, gateway: GatewayId) {
  const { rows } = await client.query<{ epoch: string; first: string; last: string; code: string; total: string }>({
    name: 'hello-quarantine',
    text: `select w.epoch, q.first_seq as first, q.last_seq as last, q.code,
        sum(q.last_seq - q.first_seq + 1) over () as total
      from rtls.quarantine q join rtls.watermark w on w.org_id = q.org_id and w.id = q.stream_id
      where q.state = 'new' and q.gateway_name = $1 order by q.id desc limit $2`,
    values: [gateway, MAX_NAMED],
  })
  const runs = rows.map(({ epoch, first, last, code }) => ({ epoch, first: Number(first), last: Number(last), code }))
  return { total: Number(rows[0]?.total ?? 0), runs }
}
