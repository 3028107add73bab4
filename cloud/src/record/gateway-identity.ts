import { createHash, timingSafeEqual } from 'node:crypto'

import type { GatewayId } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

/** A certificate as it is recorded. */
interface SignedCertificate {
  readonly certificate: string
  readonly serial: string
  readonly fromMs: number
  readonly untilMs: number
}

export type EnrolRefusal = 'CODE_INVALID' | 'CODE_EXPIRED' | 'CODE_USED'
export type RenewRefusal = 'CERTIFICATE_UNKNOWN' | 'REVOKED' | 'EXPIRED' | 'STORE_MISMATCH' | 'TOO_MANY'
export type Enrolled<Refusal> = { readonly ok: true; readonly certificate: SignedCertificate } | Refused<Refusal>
interface Refused<Refusal> {
  readonly ok: false
  readonly code: Refusal
}

interface Claim {
  readonly gateway: GatewayId
  /** Of the code; only its digest is stored. */
  readonly secret: Uint8Array
}

interface Renewal {
  readonly gateway: GatewayId
  /** Of the certificate that the request came with. */
  readonly serial: string
  /** End of that certificate, wall milliseconds. */
  readonly untilMs: number
  /** Nonce of the store that the box works with. */
  readonly store: string | undefined
  readonly nowMs: number
}

/** For the audit chain: what boxes ask for themselves. */
const SERVICE = 'service:enrolment'
/** Until when an expired certificate may still be renewed. */
const LATE_RENEWAL_MS = 30 * 86_400_000
/** A box that asks again and again is broken; so many certificates at once are more than any fault of the network needs. */
const MAX_VALID = 8
/** Codes of one gateway that are compared with a secret: the newest. */
const MAX_CODES = 16

interface Registration {
  readonly org: string
  readonly facility: string
  /** For the audit chain; otherwise it names the login. */
  readonly actor?: string
}

/** @returns undefined where there is no such organisation or facility */
export function registerGateway(
  pool: Pool,
  name: GatewayId,
  place: Registration,
): Promise<'added' | 'present' | undefined> {
  return inTransaction(pool, (client) => register(client, name, place), place.actor)
}

async function register(
  client: ClientBase,
  name: GatewayId,
  place: Registration,
): Promise<'added' | 'present' | undefined> {
  const added = await client.query(
    `insert into site.gateway (org_id, facility_id, name, status)
     select o.id, f.id, $1, 'pending' from iam.org o join site.facility f on f.org_id = o.id
     where o.slug = $2 and f.code = $3 on conflict (name) do nothing`,
    [name, place.org, place.facility],
  )
  if (added.rowCount === 1) return 'added'
  const present = await client.query(
    `select from site.gateway g join iam.org o on o.id = g.org_id join site.facility f on f.id = g.facility_id
     where g.name = $1 and o.slug = $2 and f.code = $3`,
    [name, place.org, place.facility],
  )
  return present.rowCount === 1 ? 'present' : undefined
}

/** Codes before this one can no longer be used. @returns false where there is no such gateway */
export async function storeCode(pool: Pool, { gateway, secret }: Claim, untilMs: number): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const found = await lockGateway(client, gateway)
    if (!found) return false
    await withdrawCodes(client, found.id)
    await client.query(
      'insert into site.enrolment_code (org_id, gateway_id, digest, expires_at) values ($1, $2, $3, $4)',
      [found.org_id, found.id, digestOf(secret), new Date(untilMs)],
    )
    return true
  })
}

/**
 * Uses up the code and records the certificate, or neither. Certificates that the gateway had before are revoked: from
 * here on it is this box.
 */
export function enrol(
  pool: Pool,
  claim: Claim,
  sign: () => Promise<SignedCertificate>,
  nowMs: number,
): Promise<Enrolled<EnrolRefusal>> {
  return inTransaction(
    pool,
    async (client) => {
      const found = await lockGateway(client, claim.gateway)
      const code = found && (await findCode(client, found.id, claim.secret))
      if (!found || !code) return { ok: false, code: 'CODE_INVALID' }
      if (code.used_at !== null) return { ok: false, code: 'CODE_USED' }
      if (code.expires_at.getTime() <= nowMs) return { ok: false, code: 'CODE_EXPIRED' }
      await client.query('update site.enrolment_code set used_at = now() where id = $1', [code.id])
      await revokeCertificates(client, found.id)
      await client.query(`update site.gateway set status = 'active', updated_at = now() where id = $1`, [found.id])
      return { ok: true, certificate: await record(client, found, await sign()) }
    },
    SERVICE,
  )
}

/** The certificate before stays valid: the box keeps it until it has been let in with the new one. */
export function renew(
  pool: Pool,
  renewal: Renewal,
  sign: () => Promise<SignedCertificate>,
): Promise<Enrolled<RenewRefusal>> {
  return inTransaction(
    pool,
    async (client) => {
      const found = await lockGateway(client, renewal.gateway)
      if (!found) return { ok: false, code: 'CERTIFICATE_UNKNOWN' }
      const code = await renewRefusal(client, found, renewal)
      if (code) return { ok: false, code }
      return { ok: true, certificate: await record(client, found, await sign()) }
    },
    SERVICE,
  )
}

async function renewRefusal(
  client: ClientBase,
  gateway: GatewayRow,
  { serial, untilMs, store, nowMs }: Renewal,
): Promise<RenewRefusal | undefined> {
  const { rows } = await client.query<{ serial: string; revoked_at: Date | null; not_after: Date }>(
    'select serial, revoked_at, not_after from site.certificate where gateway_id = $1',
    [gateway.id],
  )
  const present = rows.find((row) => row.serial === serial)
  if (!present) return 'CERTIFICATE_UNKNOWN'
  if (present.revoked_at !== null || isBarred(gateway)) return 'REVOKED'
  if (rows.filter((row) => row.revoked_at === null && row.not_after.getTime() > nowMs).length >= MAX_VALID) {
    return 'TOO_MANY'
  }
  if (nowMs <= untilMs) return undefined
  if (nowMs > untilMs + LATE_RENEWAL_MS) return 'EXPIRED'
  // A certificate that was copied from a disk long ago comes without the store that the gateway works with today.
  const known = await client.query(
    `select from rtls.store where gateway_id = $1 and nonce = $2 and status = 'active'`,
    [gateway.id, store ?? ''],
  )
  return known.rowCount === 1 ? undefined : 'STORE_MISMATCH'
}

/**
 * Bars the gateway and revokes what it has.
 * @param actor for the audit chain; otherwise it names the login
 * @returns false where there is no such gateway
 */
export function revokeGateway(pool: Pool, name: string, actor?: string): Promise<boolean> {
  const work = async (client: ClientBase) => {
    const found = await lockGateway(client, name)
    if (!found) return false
    await client.query(`update site.gateway set status = 'blocked', updated_at = now() where id = $1`, [found.id])
    await revokeCertificates(client, found.id)
    await withdrawCodes(client, found.id)
    return true
  }
  return inTransaction(pool, work, actor)
}

export interface RevokedCertificate {
  readonly gateway: GatewayId
  readonly serial: string
  readonly atMs: number
  /** The gateway is barred; otherwise the certificate was replaced by another enrolment. */
  readonly isBarred: boolean
}

/** What a revocation list has to name: of certificates that have expired by themselves, none. */
export async function revokedCertificates(pool: Pool): Promise<readonly RevokedCertificate[]> {
  const { rows } = await pool.query<{ name: GatewayId; status: string; serial: string; revoked_at: Date }>(
    `select g.name, g.status, c.serial, c.revoked_at from site.certificate c join site.gateway g on g.id = c.gateway_id
     where c.revoked_at is not null and c.not_after > now() - interval '1 day' order by c.revoked_at, c.id`,
  )
  return rows.map((row) => ({
    gateway: row.name,
    serial: row.serial,
    atMs: row.revoked_at.getTime(),
    isBarred: isBarred(row),
  }))
}

/** Forgets codes that are of no use and certificates that can neither be used nor renewed any more. */
export async function forgetOld(pool: Pool): Promise<void> {
  await pool.query(`delete from site.enrolment_code where expires_at < now() - interval '7 days'`)
  await pool.query(`delete from site.certificate where not_after < now() - interval '60 days'`)
}

interface GatewayRow {
  readonly id: number
  readonly org_id: number
  readonly status: string
}

function isBarred({ status }: Pick<GatewayRow, 'status'>): boolean {
  return status !== 'active' && status !== 'offline'
}

/** Everything about one gateway's identity happens one after the other. */
async function lockGateway(client: ClientBase, name: string): Promise<GatewayRow | undefined> {
  const { rows } = await client.query<GatewayRow>(
    'select id, org_id, status from site.gateway where name = $1 for no key update',
    [name],
  )
  return rows[0]
}

interface CodeRow {
  readonly id: number
  readonly digest: Buffer
  readonly expires_at: Date
  readonly used_at: Date | null
}

/** Compared in constant time, all of them, so that an answer's delay says nothing of a digest. */
async function findCode(client: ClientBase, gateway: number, secret: Uint8Array): Promise<CodeRow | undefined> {
  const { rows } = await client.query<CodeRow>(
    `select id, digest, expires_at, used_at from site.enrolment_code where gateway_id = $1
     order by id desc limit ${MAX_CODES}`,
    [gateway],
  )
  const digest = digestOf(secret)
  return rows.filter((row) => timingSafeEqual(row.digest, digest))[0]
}

async function record(client: ClientBase, gateway: GatewayRow, signed: SignedCertificate): Promise<SignedCertificate> {
  await client.query(
    'insert into site.certificate (org_id, gateway_id, serial, not_before, not_after) values ($1, $2, $3, $4, $5)',
    [gateway.org_id, gateway.id, signed.serial, new Date(signed.fromMs), new Date(signed.untilMs)],
  )
  return signed
}

async function revokeCertificates(client: ClientBase, gateway: number): Promise<void> {
  await client.query('update site.certificate set revoked_at = now() where gateway_id = $1 and revoked_at is null', [
    gateway,
  ])
}

async function withdrawCodes(client: ClientBase, gateway: number): Promise<void> {
  await client.query(
    'update site.enrolment_code set expires_at = now() where gateway_id = $1 and used_at is null and expires_at > now()',
    [gateway],
  )
}

function digestOf(secret: Uint8Array): Buffer {
  return createHash('sha256').update('biotrakr enrolment code').update(secret).digest()
}

async function inTransaction<T>(pool: Pool, work: (client: ClientBase) => Promise<T>, actor = ''): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    // The tenant of a change is that of its row: one login serves them all.
    await client.query(`select set_config('app.actor', $1, true)`, [actor])
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}
