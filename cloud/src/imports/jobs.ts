import { randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import type { Finding, Findings } from './findings.ts'
import type { ImportKind } from './lists.ts'

/** Transactions within a scope. */
export interface Database {
  read<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
  write<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
}

export interface ImportJob {
  readonly id: string
  readonly kind: ImportKind
  readonly file: string
  /** Of the file, in hex. */
  readonly sha256: string
  readonly state: 'running' | 'done' | 'failed'
  readonly total: number
  readonly ok: number
  readonly skipped: number
  readonly bad: number
  readonly error: string | null
  readonly startedBy: string
  readonly startedAt: Date
  readonly endedAt: Date | null
}

const COLUMNS = `id, kind, file_name as file, encode(file_sha256, 'hex') as sha256, state, rows_total as total, rows_ok as ok,
  rows_skipped as skipped, rows_bad as bad, error, started_by as "startedBy", started_at as "startedAt", ended_at as "endedAt"`

/** Newest first, 1,000 at most. */
export async function listJobs(client: ClientBase): Promise<ImportJob[]> {
  const { rows } = await client.query<ImportJob>(
    `select ${COLUMNS} from iam.import_job order by started_at desc, id limit 1000`,
  )
  return rows
}

/** A job and what was wrong in its file. @throws BioTrakrError NOT_FOUND, also for another organisation's */
export async function showJob(
  client: ClientBase,
  id: string,
): Promise<ImportJob & { readonly errors: readonly Finding[] }> {
  const known = z.uuid().safeParse(id).success
  const { rows } = await client.query<ImportJob>(`select ${COLUMNS} from iam.import_job where id = $1`, [
    known ? id : null,
  ])
  if (!rows[0]) {
    throw new BioTrakrError(`There is no import ${id}`, {
      code: 'NOT_FOUND',
      next: 'See `biotrakr-cloud import list`.',
    })
  }
  const errors = await client.query<Finding>(
    `select row_no as row, column_name as column, code, message, value from iam.import_row_error where job_id = $1 order by n`,
    [id],
  )
  return { ...rows[0], errors: errors.rows }
}

interface FileOf {
  readonly kind: ImportKind
  readonly name: string
  readonly sha256: Buffer
}

/** @throws BioTrakrError CONFLICT for a file that was imported already */
export async function refuseRepeated(client: ClientBase, { kind, name, sha256 }: FileOf): Promise<void> {
  const { rows } = await client.query<{ id: string; at: Date }>(
    `select id, ended_at as at from iam.import_job where kind = $1 and file_sha256 = $2 and state = 'done'
     order by ended_at desc limit 1`,
    [kind, sha256],
  )
  if (!rows[0]) return
  throw new BioTrakrError(`${name} was imported already, at ${rows[0].at.toISOString()}`, {
    code: 'CONFLICT',
    next: `See \`biotrakr-cloud import show ${rows[0].id}\`; --force imports it once more.`,
  })
}

export interface Counts {
  readonly total: number
  readonly ok: number
  readonly skipped: number
  readonly bad: number
}

interface Ended extends FileOf, Counts {
  /** Of history. */
  readonly facilityId?: number
  readonly error?: string
  readonly findings: Findings
}

/** Writes down an import that has ended, in the transaction of its rows where it went well. @returns its id */
export async function noteEnded(client: ClientBase, ended: Ended): Promise<string> {
  const id = randomUUID()
  const { kind, name, sha256, total, ok, skipped, bad, error, findings, facilityId } = ended
  await client.query(
    `insert into iam.import_job (id, org_id, kind, file_name, file_sha256, state, rows_total, rows_ok, rows_skipped, rows_bad,
       error, facility_id, started_by, ended_at)
     values ($1, iam.current_org(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, current_setting('app.actor'), now())`,
    [
      id,
      kind,
      name.slice(0, 255),
      sha256,
      error ? 'failed' : 'done',
      total,
      ok,
      skipped,
      bad,
      error?.slice(0, 1_000) ?? null,
      facilityId ?? null,
    ],
  )
  await noteErrors(client, id, findings)
  await noteInChain(client, { id, kind, name, sha256, total, ok, skipped, bad, hasFailed: error !== undefined })
  return id
}

export async function noteErrors(client: ClientBase, id: string, { list }: Findings): Promise<void> {
  await client.query(
    `insert into iam.import_row_error (org_id, job_id, n, row_no, column_name, code, message, value)
     select iam.current_org(), $1, x.n, x.row, left(x.column, 200), x.code, left(x.message, 1000), x.value
     from jsonb_to_recordset($2) as x (n integer, row integer, "column" text, code text, message text, value text)`,
    [id, JSON.stringify(list.map((finding, i) => ({ ...finding, n: i + 1 })))],
  )
}

interface Noted extends FileOf, Counts {
  readonly id: string
  readonly hasFailed: boolean
}

/** One entry for the job; those of its rows come from the tables. */
export async function noteInChain(client: ClientBase, noted: Noted): Promise<void> {
  const { id, kind, name, sha256, total, ok, skipped, bad, hasFailed } = noted
  const facts = { kind, file: name, sha256: sha256.toString('hex'), total, ok, skipped, bad }
  await client.query(`select audit.append('system', 'import', 'iam.import_job', $1, new => $2::jsonb, outcome => $3)`, [
    id,
    JSON.stringify(facts),
    hasFailed ? 'failed' : 'ok',
  ])
}
