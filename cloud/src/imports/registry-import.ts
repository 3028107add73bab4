import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { assets, assignments, categories, tags } from './asset-kinds.ts'
import { integer } from './cell-types.ts'
import { type AttributeRules, checkAssets } from './check-assets.ts'
import { checkAssignments } from './check-assignments.ts'
import type { Column } from './column.ts'
import { Findings, wrongRows } from './findings.ts'
import { createFloors } from './floors.ts'
import { type Counts, type Database, noteEnded, refuseRepeated } from './jobs.ts'
import type { ImportMode } from './lists.ts'
import { planRows } from './plan.ts'
import { readRows } from './read-rows.ts'
import type { RegistryKind } from './registry-kind.ts'
import { departments, receivers, rooms } from './site-kinds.ts'
import { planUsers, USER_COLUMNS, type UserFlows, writeUsers } from './users.ts'
import { writeRows } from './write.ts'
import { createLocalTime } from './zone.ts'

export const REGISTRY_KINDS = { departments, categories, rooms, assets, tags, assignments, receivers } as const
export type RegistryName = keyof typeof REGISTRY_KINDS | 'users'

/** What the flows of other parts do for an import. */
export interface ImportFlows {
  readonly attributes: AttributeRules
  readonly users: UserFlows
}

export interface RegistryWish {
  readonly kind: RegistryName
  readonly path: string
  readonly mode: ImportMode
  /** Checks everything, against the database too, and changes nothing. */
  readonly dryRun: boolean
  /** Leaves out rows that are wrong. */
  readonly partial: boolean
  /** Also a file that was imported already. */
  readonly force: boolean
  /** Makes buildings and floors that rooms name. */
  readonly createParents: boolean
  /** Code of the facility of all rows that name none. */
  readonly facility?: string | undefined
  /** Of times without one. */
  readonly zone?: string | undefined
  /** Our names of columns by theirs. */
  readonly names: ReadonlyMap<string, string>
}

interface Progress {
  readonly phase: 'check' | 'write'
  readonly done: number
  readonly of: number
  readonly unit: 'bytes' | 'rows'
}

export interface RegistryReport extends Counts {
  /** Null where nothing was to be kept. */
  readonly job: string | null
  readonly inserted: number
  readonly updated: number
  readonly findings: Findings
  readonly header: readonly string[]
  readonly cells: ReadonlyMap<number, readonly string[]>
  /** Of new accounts: with these codes people set their passwords, once. */
  readonly invited: readonly { readonly email: string; readonly code: string; readonly until: Date }[]
}

interface Needs {
  readonly flows: ImportFlows
  readonly nowMs: number
  readonly onProgress?: (progress: Progress) => void
}

type ReadFile = Awaited<ReturnType<typeof readRows>>
const ROW_VERSION: Column = {
  name: 'row_version',
  type: integer(1, 2_147_483_647),
  about: 'version that was read: the row is refused when somebody changed it since',
}

/** Everything a file of this kind may have. */
export function columnsOf(kind: RegistryName): readonly Column[] {
  return kind === 'users' ? USER_COLUMNS : [...REGISTRY_KINDS[kind].columns, ROW_VERSION]
}

/**
 * Imports a file of a registry: reads and checks all of it, then writes all of it in one transaction.
 * @throws BioTrakrError INPUT_INVALID (`details.errors`) for a file that is wrong, CONFLICT for one that was imported
 */
export async function importRegistry(database: Database, wish: RegistryWish, needs: Needs): Promise<RegistryReport> {
  const found = new Findings()
  const { onProgress } = needs
  const file = await readRows(wish.path, {
    columns: columnsOf(wish.kind),
    takesAttrs: wish.kind === 'assets',
    names: wish.names,
    given: wish.facility === undefined ? {} : { facility: wish.facility },
    findings: found,
    localMs: wish.zone === undefined ? undefined : createLocalTime(wish.zone),
    onProgress: ({ bytes, of }) => onProgress?.({ phase: 'check', done: bytes, of, unit: 'bytes' }),
  })
  const named = { kind: wish.kind, name: file.name, sha256: file.sha256 }
  if (!wish.force && !wish.dryRun) await database.read((client) => refuseRepeated(client, named))
  try {
    return await database.write(async (client) => {
      const findings = found.copy()
      const done = await takeRows(client, { wish, file, findings, needs })
      const counts = { total: file.rows.length, bad: findings.rows.size, ...done }
      const report = { ...counts, findings, header: file.header, cells: file.cells }
      if (wish.dryRun) throw new DryRun({ ...report, job: null })
      return { ...report, job: await noteEnded(client, { ...named, ...counts, findings }) }
    })
  } catch (error) {
    if (error instanceof DryRun) return error.report
    if (!(error instanceof WrongRows)) throw error
    const { findings } = error
    const reason = wrongRows(file.name, findings)
    if (!wish.dryRun) {
      const counts = { total: file.rows.length, ok: 0, skipped: 0, bad: findings.rows.size }
      const first = reason.message.split('\n', 1)[0] ?? reason.message
      await database.write((client) => noteEnded(client, { ...named, ...counts, findings, error: first }))
    }
    throw new RefusedFile(reason, { findings, header: file.header, cells: file.cells, cause: error })
  }
}

const ROLLED_BACK = { code: 'INPUT_INVALID', next: 'Nothing was changed.' } as const

/** Rolls the transaction back; one of ours, for others are taken for a fault of the database. */
class DryRun extends BioTrakrError {
  readonly report: RegistryReport
  constructor(report: RegistryReport) {
    super('This was a dry run', ROLLED_BACK)
    this.report = report
  }
}

class WrongRows extends BioTrakrError {
  readonly findings: Findings
  constructor(findings: Findings) {
    super('Some rows are wrong', ROLLED_BACK)
    this.findings = findings
  }
}

interface BadRows extends Pick<RegistryReport, 'findings' | 'header' | 'cells'> {
  readonly cause: unknown
}

/** Of a file of which nothing was taken: what a file of its bad rows is made from. */
export class RefusedFile extends BioTrakrError {
  readonly bad: BadRows
  constructor({ message, code, next, details }: BioTrakrError, bad: BadRows) {
    super(message, { code, next, cause: bad.cause, ...(details && { details }) })
    this.bad = bad
  }
}

interface Taking {
  readonly wish: RegistryWish
  readonly file: ReadFile
  readonly findings: Findings
  readonly needs: Needs
}

type Taken = Pick<RegistryReport, 'ok' | 'skipped' | 'inserted' | 'updated' | 'invited'>

async function takeRows(client: ClientBase, taking: Taking): Promise<Taken> {
  return taking.wish.kind === 'users'
    ? takeUsers(client, taking)
    : takeRegistry(client, REGISTRY_KINDS[taking.wish.kind], taking)
}

async function takeRegistry(client: ClientBase, kind: RegistryKind, taking: Taking): Promise<Taken> {
  const { wish, file, findings, needs } = taking
  if (kind.kind === 'rooms' && wish.createParents) await createFloors(client, file.rows, { file: file.name, findings })
  const plan = await planRows(client, file.rows, { kind, mode: wish.mode, findings })
  if (kind.kind === 'assets') await checkAssets(client, plan.rows, { findings, rules: needs.flows.attributes })
  if (kind.kind === 'assignments') await checkAssignments(client, plan.rows, { findings, nowMs: needs.nowMs })
  if (findings.rows.size > 0 && !wish.partial) throw new WrongRows(findings)
  const good = plan.rows.filter(({ row }) => !findings.rows.has(row.row))
  const onProgress = (done: number) => needs.onProgress?.({ phase: 'write', done, of: good.length, unit: 'rows' })
  const { inserted, updated, unchanged } = await writeRows(client, good, { kind, said: file.said, onProgress })
  return { inserted, updated, ok: inserted + updated, skipped: plan.skipped + unchanged, invited: [] }
}

async function takeUsers(client: ClientBase, { wish, file, findings, needs }: Taking): Promise<Taken> {
  if (wish.mode === 'upsert') {
    throw new BioTrakrError('Accounts are not changed by a file', {
      code: 'INPUT_INVALID',
      next: 'Use --mode insert or --mode skip-existing; change accounts by `biotrakr-cloud accounts`.',
    })
  }
  const plan = await planUsers(client, file.rows, { mode: wish.mode, findings })
  if (findings.rows.size > 0 && !wish.partial) throw new WrongRows(findings)
  const invited = await writeUsers(client, plan, needs.flows.users)
  const ok = plan.rows - plan.skipped - findings.rows.size
  return { inserted: plan.news.length, updated: 0, ok, skipped: plan.skipped, invited }
}
