import { randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { Findings, wrongRows } from './findings.ts'
import { type HistoryFile, readHistoryFile } from './history-file.ts'
import { FATE, type HistoryPlan, planHistory, readKnown } from './history-plan.ts'
import { type Database, noteEnded, noteErrors, noteInChain, refuseRepeated } from './jobs.ts'
import { createLocalTime } from './zone.ts'

export interface HistoryWish {
  readonly path: string
  /** Code of the facility whose rooms are named. */
  readonly facility: string
  /** Of times without one. */
  readonly zone?: string | undefined
  readonly dryRun: boolean
  /** Leaves out rows that are wrong. */
  readonly partial: boolean
  readonly force: boolean
  /** Our names of columns by theirs. */
  readonly names: ReadonlyMap<string, string>
  /** A row without a span counts from the row of its tag before it, when at most so many minutes lie between. */
  readonly maxGapMinutes: number
  /** Rows of one transaction, 1,000 to 50,000. */
  readonly batch: number
}

interface HistoryProgress {
  readonly phase: 'check' | 'write'
  readonly done: number
  readonly of: number
  readonly unit: 'bytes' | 'rows'
}

export interface HistoryReport {
  readonly job: string | null
  readonly total: number
  readonly ok: number
  /** There twice in the file, or there already. */
  readonly skipped: number
  readonly bad: number
  /** Assets that were given a tag of the kind `legacy`. */
  readonly legacyTags: number
  /** Row of the stream from which an interrupted import went on; 0 for one from the start. */
  readonly resumedAt: number
  readonly findings: Findings
}

interface Needs {
  readonly nowMs: number
  readonly onProgress?: (progress: HistoryProgress) => void
}

/**
 * Imports the location history of an older system, with the method MIGRATED. All of the file is read and checked before
 * anything is written; then batches in the order of time, each with the watermark of the job in one transaction, so that
 * the same command goes on where it was interrupted and nothing is there twice.
 * @throws BioTrakrError INPUT_INVALID (`details.errors`), NOT_FOUND for the facility, CONFLICT for a file that was imported
 */
export async function importHistory(database: Database, wish: HistoryWish, needs: Needs): Promise<HistoryReport> {
  const findings = new Findings()
  const facilityId = await database.read((client) => findFacility(client, wish.facility))
  const file = await readHistoryFile(wish.path, {
    names: wish.names,
    findings,
    localMs: wish.zone === undefined ? undefined : createLocalTime(wish.zone),
    onBytes: (done, of) => needs.onProgress?.({ phase: 'check', done, of, unit: 'bytes' }),
  })
  const named = { kind: 'history', name: file.name, sha256: file.sha256 } as const
  const running = await database.read(async (client) => {
    if (!wish.force && !wish.dryRun) await refuseRepeated(client, named)
    return findRunning(client, { file, facilityId, wish })
  })
  const maxGapMs = wish.maxGapMinutes * 60_000
  const known = await database.read((client) => readKnown(client, file, facilityId))
  // Outside a transaction: ten million rows take longer than one may be idle.
  const plan = planHistory(file, known, { findings, nowMs: needs.nowMs, maxGapMs })
  const bad = findings.rows.size
  if (bad > 0 && !wish.partial) {
    const refusal = wrongRows(file.name, findings)
    const counts = { total: file.count, ok: 0, skipped: 0, bad }
    const error = refusal.message.split('\n', 1)[0] ?? refusal.message
    if (!wish.dryRun)
      await database.write((client) => noteEnded(client, { ...named, ...counts, facilityId, error, findings }))
    throw refusal
  }
  const report = { total: file.count, bad, legacyTags: plan.legacy.length, findings }
  if (wish.dryRun) return { ...report, job: null, ok: plan.good, skipped: plan.duplicates, resumedAt: 0 }
  const job = running ?? randomUUID()
  const resumedAt = await database.write((client) =>
    setUp(client, { job, isNew: !running, file, facilityId, wish, plan }),
  )
  await writeBatches(database, { job, file, plan, from: resumedAt, batch: wish.batch, onProgress: needs.onProgress })
  const done = await database.write((client) => finish(client, { job, file, bad, findings }))
  return { ...report, ...done, job, resumedAt }
}

async function findFacility(client: ClientBase, code: string): Promise<number> {
  const { rows } = await client.query<{ id: number }>('select id from site.facility where code = $1', [code])
  if (rows[0]) return rows[0].id
  throw new BioTrakrError(`There is no facility "${code}"`, {
    code: 'NOT_FOUND',
    next: 'Check its code; `biotrakr-cloud site facilities` lists them.',
  })
}

interface Opening {
  readonly file: HistoryFile
  readonly facilityId: number
  readonly wish: HistoryWish
}

/** How the rows of a file are read; the rest may change between two attempts. */
function optionsOf({ zone, partial, maxGapMinutes, names }: HistoryWish): string {
  return JSON.stringify({ zone: zone ?? null, partial, maxGapMinutes, names: Object.fromEntries([...names].sort()) })
}

/** The job of this file that was interrupted. @throws BioTrakrError CONFLICT where it read the file in another way */
async function findRunning(client: ClientBase, { file, facilityId, wish }: Opening): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string; same: boolean }>(
    `select id, options = $3::jsonb as same from iam.import_job
     where kind = 'history' and file_sha256 = $1 and facility_id = $2 and state = 'running' order by started_at limit 1`,
    [file.sha256, facilityId, optionsOf(wish)],
  )
  if (rows[0] && !rows[0].same && !wish.dryRun) {
    throw new BioTrakrError(`The import ${rows[0].id} of this file was interrupted, and had other options`, {
      code: 'CONFLICT',
      next: 'Give the same --zone, --map, --max-gap and --partial as then; it goes on where it was.',
    })
  }
  return rows[0]?.id
}

interface SettingUp extends Opening {
  readonly job: string
  readonly isNew: boolean
  readonly plan: HistoryPlan
}

/** The job, its stream, and tags for assets that have none: all before the first row. @returns rows that are done */
async function setUp(client: ClientBase, { job, isNew, file, facilityId, wish, plan }: SettingUp): Promise<number> {
  if (isNew) {
    await client.query(
      `insert into iam.import_job (id, org_id, facility_id, kind, file_name, file_sha256, options, rows_total, rows_bad,
         rows_skipped, started_by)
       values ($1, iam.current_org(), $2, 'history', $3, $4, $5, $6, $7, $8, current_setting('app.actor'))`,
      [
        job,
        facilityId,
        file.name.slice(0, 255),
        file.sha256,
        optionsOf(wish),
        file.count,
        file.count - plan.good - plan.duplicates,
        plan.duplicates,
      ],
    )
  }
  const { rows } = await client.query<{ hw: string | null }>('select rtls.begin_import($1) as hw', [job])
  const hw = rows[0]?.hw
  if (hw === null || hw === undefined) throw elsewhere()
  await makeLegacyTags(client, plan, file)
  return Number(hw)
}

async function makeLegacyTags(
  client: ClientBase,
  { legacy, spans }: HistoryPlan,
  { name }: HistoryFile,
): Promise<void> {
  const identities = legacy.map(({ assetTag }) => `legacy:${assetTag}`)
  await client.query(
    `with made as (
       insert into rtls.tag (org_id, identity, kind, label) select iam.current_org(), n, 'legacy', $2 from unnest($1::text[]) as n
       on conflict (org_id, identity) do nothing returning id, identity)
     select audit.append('change', 'register', 'rtls.tag', id::text, new => jsonb_build_object('identity', identity, 'kind', 'legacy'))
     from made`,
    [identities, `made by the import of ${name}`.slice(0, 200)],
  )
  const { rows } = await client.query<{ identity: string; id: number }>(
    'select identity, id from rtls.tag where identity = any ($1)',
    [identities],
  )
  const ids = new Map(rows.map(({ identity, id }) => [identity, id]))
  for (const each of legacy) each.id = ids.get(`legacy:${each.assetTag}`)
  const assignments = spans.map(({ assetTag, assetId, fromMs, toMs }) => ({
    id: randomUUID(),
    tag: ids.get(`legacy:${assetTag}`),
    asset: assetId,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
  }))
  await client.query(
    `insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t, to_t, reason)
     select x.id, iam.current_org(), x.tag, x.asset, x.from, x.to, $2
     from jsonb_to_recordset($1) as x (id uuid, tag integer, asset uuid, "from" timestamptz, "to" timestamptz)`,
    [JSON.stringify(assignments), `imported from ${name}`.slice(0, 500)],
  )
}

interface Batches {
  readonly job: string
  readonly file: HistoryFile
  readonly plan: HistoryPlan
  readonly from: number
  readonly batch: number
  readonly onProgress: Needs['onProgress']
}

async function writeBatches(database: Database, { job, file, plan, from, batch, onProgress }: Batches): Promise<void> {
  const source = { job, file, plan }
  const partAt = (first: number) =>
    first < file.count ? batchOf(source, first, Math.min(first + batch, file.count)) : undefined
  let next = partAt(from)
  while (next !== undefined) {
    const { values, good, last } = next
    const writing = database.write((client) => writeBatch(client, { job, values, good }))
    // Made while the database writes. What fails before that is awaited must not go unheard.
    writing.catch(() => undefined)
    next = partAt(last)
    await writing
    onProgress?.({ phase: 'write', done: last, of: file.count, unit: 'rows' })
  }
}

interface Batch {
  readonly values: readonly unknown[]
  readonly good: number
  readonly last: number
}

/** Arrays as PostgreSQL reads them; the driver would look at each of a hundred thousand values for quotes. */
function batchOf({ job, file, plan }: Pick<Batches, 'job' | 'file' | 'plan'>, from: number, to: number): Batch {
  const lists: (number | string)[][] = Array.from({ length: 9 }, () => [])
  const [times, tags, rooms, seqs, spans, confidences, xs, ys, accuracies] = lists
  const { x, y, accuracy } = file.places
  const known = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? 'NULL' : value)
  let good = 0
  for (let n = from; n < to; n++) {
    const i = plan.order[n] ?? 0
    if (plan.fate[i] !== FATE.good) continue
    good += 1
    const tag = plan.tag[i] ?? 0
    times?.push(file.timeMs[i] ?? 0)
    tags?.push(tag < 0 ? (plan.legacy[-1 - tag]?.id ?? 0) : tag)
    rooms?.push(plan.roomIds[file.room[i] ?? -1] ?? 'NULL')
    seqs?.push(n + 1)
    spans?.push(plan.spanMs[i] ?? 0)
    confidences?.push(file.confidence[i] ?? 0)
    if (x.length === 0) continue
    xs?.push(known(x[i]))
    ys?.push(known(y[i]))
    accuracies?.push(known(accuracy[i]))
  }
  return { values: [job, from + 1, to, ...lists.map((list) => `{${list.join(',')}}`)], good, last: to }
}

async function writeBatch(
  client: ClientBase,
  { job, values, good }: Pick<Batch, 'values' | 'good'> & { readonly job: string },
): Promise<void> {
  const { rows } = await client.query<{ n: number | null }>({
    name: 'import-fixes',
    text: 'select rtls.import_fixes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) as n',
    values: [...values],
  })
  const written = rows[0]?.n
  if (written === null || written === undefined) throw elsewhere()
  await client.query(
    `update iam.import_job set rows_ok = rows_ok + $2, rows_skipped = rows_skipped + $3, updated_at = now() where id = $1`,
    [job, written, good - written],
  )
}

function elsewhere(): BioTrakrError {
  return new BioTrakrError('This import is not where it was: another process is at the same file', {
    code: 'CONFLICT',
    next: 'Let that process end; `biotrakr-cloud import list` shows how far it is.',
  })
}

interface Finishing {
  readonly job: string
  readonly file: HistoryFile
  readonly bad: number
  readonly findings: Findings
}

async function finish(client: ClientBase, { job, file, bad, findings }: Finishing) {
  const { rows } = await client.query<{ ok: number; skipped: number }>(
    `update iam.import_job set state = 'done', ended_at = now(), updated_at = now(), rows_bad = $2 where id = $1
     returning rows_ok as ok, rows_skipped as skipped`,
    [job, bad],
  )
  const { ok = 0, skipped = 0 } = rows[0] ?? {}
  await noteErrors(client, job, findings)
  const { name, sha256, count: total } = file
  await noteInChain(client, { id: job, kind: 'history', name, sha256, total, ok, skipped, bad, hasFailed: false })
  return { ok, skipped }
}
