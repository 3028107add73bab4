import type { ClientBase } from 'pg'

/** Where a tenant's chain stands: its newest event. */
export interface ChainHead {
  readonly n: number
  /** Lower-case hex of 32 bytes; empty for a chain without events. */
  readonly hash: string
}

interface ChainProblem {
  readonly kind: 'changed' | 'missing' | 'cut' | 'anchor'
  /** Number of the event. */
  readonly n: number
  readonly detail: string
}

export interface ChainReport {
  readonly events: number
  readonly first: number
  readonly last: number
  /** Heads from elsewhere that were compared. */
  readonly anchors: number
  readonly problems: readonly ChainProblem[]
}

interface Reader {
  read<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
}

interface VerifyOptions {
  /** First event to check; from the oldest that is kept without it. */
  readonly from?: number | undefined
  /** Heads that were kept elsewhere. */
  readonly anchors: readonly ChainHead[]
}

/** Events checked by one statement, each statement well within the time limit of bt_api. */
const RANGE = 100_000
const AT_ONCE = 2

/** The tenant's head. */
export async function readHead(client: ClientBase): Promise<ChainHead> {
  const { rows } = await client.query<{ n: string; hash: string }>(
    `select n, encode(hash, 'hex') as hash from audit.head where org_id = iam.current_org()`,
  )
  return { n: Number(rows[0]?.n ?? 0), hash: rows[0]?.hash ?? '' }
}

/**
 * Checks that no event of the tenant was changed, taken out or cut off, as far as the chain and the heads kept elsewhere
 * can tell. Without such a head, a chain whose end was cut together with its head looks whole.
 */
export async function verifyChain(within: Reader, { from, anchors }: VerifyOptions): Promise<ChainReport> {
  const { base, head, newest } = await within.read(readEnds)
  const first = Math.max(from ?? 1, base.n + 1)
  const last = newest.n
  const problems: ChainProblem[] = []
  if (head.n !== newest.n || head.hash !== newest.hash) problems.push(cutProblem(head, newest))
  let events = 0
  const ranges: number[] = []
  for (let start = first; start <= last; start += RANGE) ranges.push(start)
  const work = async () => {
    for (let start = ranges.shift(); start !== undefined; start = ranges.shift()) {
      const end = Math.min(start + RANGE - 1, last)
      const found = await checkRange(within, { start, end, base })
      events += found.events
      problems.push(...found.problems)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const compared = anchors.filter(({ n }) => n >= base.n)
  problems.push(...(await checkAnchors(within, compared, { base, last })))
  return { events, first, last, anchors: compared.length, problems: inOrder(problems) }
}

/** Two ranges that meet where an event is missing both say so. */
function inOrder(problems: readonly ChainProblem[]): readonly ChainProblem[] {
  const once = new Map(problems.map((problem) => [`${problem.kind} ${problem.n}`, problem]))
  return [...once.values()].sort((a, b) => a.n - b.n)
}

interface Ends {
  /** The last event that was dropped. */
  readonly base: ChainHead
  readonly head: ChainHead
  readonly newest: ChainHead
}

async function readEnds(client: ClientBase): Promise<Ends> {
  const head = await readHead(client)
  const { rows } = await client.query<{ base_n: string; base: string; n: string; hash: string }>(
    `select coalesce(b.n, 0) as base_n, coalesce(encode(b.hash, 'hex'), '') as base, coalesce(e.n, b.n, 0) as n,
       coalesce(encode(e.hash, 'hex'), encode(b.hash, 'hex'), '') as hash
     from (values (1)) as one left join audit.base b on b.org_id = iam.current_org()
       left join (select n, hash from audit.event where org_id = iam.current_org() order by n desc limit 1) as e on true`,
  )
  const { base_n = '0', base = '', n = '0', hash = '' } = rows[0] ?? {}
  return { base: { n: Number(base_n), hash: base }, head, newest: { n: Number(n), hash } }
}

function cutProblem(head: ChainHead, newest: ChainHead): ChainProblem {
  const detail =
    head.n > newest.n
      ? `the chain went on to ${head.n}, but ends here`
      : 'the newest event is not the one that the chain ended with'
  return { kind: 'cut', n: newest.n, detail }
}

interface Range {
  readonly start: number
  readonly end: number
  readonly base: ChainHead
}

async function checkRange(
  within: Reader,
  { start, end, base }: Range,
): Promise<{ readonly events: number; readonly problems: readonly ChainProblem[] }> {
  const found = await within.read(async (client) => {
    const before = start === base.n + 1 ? base.hash : await hashOf(client, start - 1)
    // What the event before it should have been is not known; the range before this one reports that.
    if (before === undefined) return { missing: start - 1 }
    const { rows } = await client.query<{ events: string; missing: string | null; changed: string | null }>(
      `select events, missing, changed from audit.check_range($1, $2, decode($3, 'hex'))`,
      [start, end, before],
    )
    return rows[0]
  })
  const events = Number(found && 'events' in found ? found.events : 0)
  const problems: ChainProblem[] = []
  if (found?.missing) problems.push({ kind: 'missing', n: Number(found.missing), detail: 'the event is not there' })
  else if (events < end - start + 1) {
    problems.push({ kind: 'missing', n: start + events, detail: 'the event is not there' })
  }
  if (found && 'changed' in found && found.changed) {
    const detail = 'the event does not follow from the one before it: one of the two was changed'
    problems.push({ kind: 'changed', n: Number(found.changed), detail })
  }
  return { events, problems }
}

async function hashOf(client: ClientBase, n: number): Promise<string | undefined> {
  const { rows } = await client.query<{ hash: string }>(
    `select encode(hash, 'hex') as hash from audit.event where org_id = iam.current_org() and n = $1`,
    [n],
  )
  return rows[0]?.hash
}

async function checkAnchors(
  within: Reader,
  anchors: readonly ChainHead[],
  { base, last }: { readonly base: ChainHead; readonly last: number },
): Promise<ChainProblem[]> {
  const { rows } = await within.read((client) =>
    client.query<{ n: string; hash: string }>(
      `select n, encode(hash, 'hex') as hash from audit.event where org_id = iam.current_org() and n = any ($1::bigint[])`,
      [anchors.map(({ n }) => n)],
    ),
  )
  const stored = new Map(rows.map(({ n, hash }) => [Number(n), hash]))
  stored.set(base.n, base.hash)
  return anchors.flatMap(({ n, hash }): ChainProblem[] => {
    if (stored.get(n) === hash) return []
    if (n > last)
      return [{ kind: 'cut', n: last, detail: `a head kept elsewhere stands at ${n}, but the chain ends here` }]
    return [{ kind: 'anchor', n, detail: 'the event is not the one of the head that was kept elsewhere' }]
  })
}

/** An event of the chain, as `audit list` shows it. */
export interface ChainEvent {
  readonly n: number
  readonly at: Date
  readonly kind: string
  readonly actor: string
  readonly action: string
  readonly object: string
  readonly objectId: string
  readonly purpose: string | null
  readonly outcome: string
  readonly details: Readonly<Record<string, unknown>>
}

const LISTS = {
  change: `select n, at, 'change' as kind, actor, action, object, object_id as "objectId", purpose, 'ok' as outcome,
    jsonb_build_object('old', old, 'new', new) as details from audit.change_log`,
  access: `select n, at, 'access' as kind, actor, action, object, object_id as "objectId", purpose, outcome,
    jsonb_build_object('duration_ms', duration_ms) as details from audit.access_log`,
  login: `select n, at, 'login' as kind, actor, action, 'iam.account' as object, account as "objectId",
    null as purpose, outcome, jsonb_build_object('address', address) as details from audit.login_history`,
  all: `select n, at, kind, actor, action, object, object_id as "objectId", purpose, outcome,
    jsonb_build_object('old', old, 'new', new) as details from audit.event`,
} as const
export type EventList = keyof typeof LISTS

interface ListOptions {
  /** Only events with a smaller number. */
  readonly before?: number | undefined
  readonly limit: number
  readonly actor?: string | undefined
  readonly objectId?: string | undefined
}

/** Events of the tenant within the facilities of the scope, newest first. */
export async function listEvents(
  client: ClientBase,
  list: EventList,
  { before, limit, actor, objectId }: ListOptions,
): Promise<readonly ChainEvent[]> {
  const { rows } = await client.query<Omit<ChainEvent, 'n'> & { readonly n: string }>(
    `select * from (${LISTS[list]} where org_id = iam.current_org()) as e
     where ($1::bigint is null or e.n < $1) and ($2::text is null or e.actor = $2)
       and ($3::text is null or e."objectId" = $3)
     order by e.n desc limit $4`,
    [before ?? null, actor ?? null, objectId ?? null, limit],
  )
  return rows.map((row) => ({ ...row, n: Number(row.n) }))
}
