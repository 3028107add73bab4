import type { ClientBase } from 'pg'

import type { Findings } from './findings.ts'
import type { Planned } from './registry-kind.ts'

interface Worn {
  readonly id: string
  readonly tag: string
  readonly asset: string
  readonly primary: boolean
  readonly fromMs: number
  /** Infinity while it is on. */
  readonly toMs: number
  /** Of the file; undefined for what is there already. */
  readonly row: number | undefined
}

/** A clock that goes a little wrong is no reason to refuse. */
const AHEAD_MS = 5 * 60_000

/** Times in order, none in the future, and no tag or asset in two places at once, in the file and with what is there. */
export async function checkAssignments(
  client: ClientBase,
  planned: readonly Planned[],
  { findings, nowMs }: { readonly findings: Findings; readonly nowMs: number },
): Promise<void> {
  const mine = planned.map(asWorn)
  for (const { row } of planned) checkTimes(row, { findings, nowMs })
  const replaced = new Set(planned.flatMap(({ before }) => (before ? [before.id] : [])))
  const there = await readWorn(client)
  const all = [...there.filter(({ id }) => !replaced.has(id)), ...mine]
  for (const group of groups(all, ({ tag }) => `t ${tag}`)) refuseOverlaps(group, 'tag', findings)
  for (const group of groups(
    all.filter(({ primary }) => primary),
    ({ asset }) => `a ${asset}`,
  )) {
    refuseOverlaps(group, 'asset_tag', findings)
  }
}

function asWorn({ row: { row, values }, before }: Planned): Worn {
  const { from, to, primary } = values
  return {
    id: String(before?.id ?? ''),
    tag: String(values['tag']),
    asset: String(values['asset_tag']),
    primary: primary !== false,
    fromMs: from instanceof Date ? from.getTime() : Number.NaN,
    toMs: to instanceof Date ? to.getTime() : Number.POSITIVE_INFINITY,
    row,
  }
}

async function readWorn(client: ClientBase): Promise<Worn[]> {
  const { rows } = await client.query<{
    id: string
    tag: string
    asset: string
    p: boolean
    from: Date
    to: Date | null
  }>(
    `select w.id, g.identity as tag, a.asset_tag as asset, w.is_primary as p, w.from_t as "from", w.to_t as "to"
     from rtls.tag_assignment w join rtls.tag g on g.org_id = w.org_id and g.id = w.tag_id
     join asset.asset a on a.org_id = w.org_id and a.id = w.asset_id`,
  )
  return rows.map(({ id, tag, asset, p, from, to }) => {
    const toMs = to?.getTime() ?? Number.POSITIVE_INFINITY
    return { id, tag, asset, primary: p, fromMs: from.getTime(), toMs, row: undefined }
  })
}

function checkTimes(
  { row, values }: Planned['row'],
  { findings, nowMs }: { readonly findings: Findings; readonly nowMs: number },
): void {
  const { from, to } = values
  if (from instanceof Date && to instanceof Date && to <= from) {
    findings.add({ row, column: 'to', code: 'RANGE', message: 'must be after `from`', value: to.toISOString() })
  }
  if (from instanceof Date && from.getTime() > nowMs + AHEAD_MS) {
    findings.add({
      row,
      column: 'from',
      code: 'RANGE',
      message: 'must not lie in the future',
      value: from.toISOString(),
    })
  }
}

function refuseOverlaps(group: Worn[], column: 'tag' | 'asset_tag', findings: Findings): void {
  group.sort((a, b) => a.fromMs - b.fromMs)
  let longest: Worn | undefined
  for (const worn of group) {
    if (longest && worn.fromMs < longest.toMs) {
      const [blamed, holder] = worn.row === undefined ? [longest, worn] : [worn, longest]
      if (blamed.row !== undefined) findings.add({ ...overlap(blamed, holder, column), row: blamed.row })
    }
    if (!longest || worn.toMs > longest.toMs) longest = worn
  }
}

function overlap(blamed: Worn, { tag, asset, fromMs, toMs, row }: Worn, column: 'tag' | 'asset_tag') {
  const until = toMs === Number.POSITIVE_INFINITY ? 'and still is' : `until ${new Date(toMs).toISOString()}`
  const where = row === undefined ? '' : ` (row ${row})`
  const message = `overlaps: ${tag} is on ${asset} since ${new Date(fromMs).toISOString()} ${until}${where}`
  return { column, code: 'CONFLICT' as const, message, value: column === 'tag' ? blamed.tag : blamed.asset }
}

function groups(list: readonly Worn[], keyOf: (worn: Worn) => string): Iterable<Worn[]> {
  const found = new Map<string, Worn[]>()
  for (const each of list) {
    const group = found.get(keyOf(each))
    if (group) group.push(each)
    else found.set(keyOf(each), [each])
  }
  return found.values()
}
