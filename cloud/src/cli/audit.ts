import { BioTrakrError } from '@biotrakr/shared'
import { type Command, Option } from 'commander'

import type { CloudConfig } from '../config.ts'
import { systemClock } from '../system-clock.ts'
import {
  type ChainEvent,
  type ChainReport,
  type EventList,
  listEvents,
  readAnchors,
  readHead,
  verifyChain,
  writeAnchor,
} from '../trust.ts'
import { type Common, commandOf, print, wholeNumber } from './options.ts'
import { inTenant } from './tenant-command.ts'

/** `biotrakr-cloud audit`: the chain of what was done. */
export function addAudit(cloud: Command): void {
  const group = cloud.command('audit').description('who did what, and whether the record of it is whole (as bt_api)')
  commandOf(group, 'verify', 'look for an event that was changed, taken out or cut off; exit code 1 when one is found')
    .option('--org <slug>', 'another organisation than that of the configuration')
    .option('--from <n>', 'begin with this event instead of the oldest', wholeNumber)
    .action(verify)
  commandOf(group, 'anchor', 'write the signed head of the chain into audit.anchorFolder; run it every hour').action(
    anchor,
  )
  commandOf(group, 'list', 'events, newest first')
    .addOption(new Option('--kind <kind>', 'which').choices(['change', 'access', 'login', 'all']).default('all'))
    .option('--actor <actor>', 'only of this one, for example `operator:anna`')
    .option('--object <id>', 'only about this object')
    .option('--before <n>', 'only events with a smaller number', wholeNumber)
    .option('--limit <n>', 'at most this many, 1 to 1000', wholeNumber, 100)
    .action(list)
}

interface VerifyOptions extends Common {
  readonly org?: string
  readonly from?: number
}

function verify({ config: path, json, org, from }: VerifyOptions): Promise<void> {
  return inTenant(
    path,
    async (tenant, config) => {
      const slug = org ?? config.org ?? ''
      const place = config.audit
      const { heads, bad } = place ? readAnchors(place.anchorFolder, place.keyFile, { org: slug }) : NO_ANCHORS
      const report = await verifyChain(tenant, { from, anchors: heads })
      const whole = report.problems.length === 0 && bad.length === 0
      print(json, { org: slug, whole, ...report, badAnchors: bad }, reportLines(slug, report, bad))
      if (report.anchors === 0) {
        process.stderr.write('no head was kept elsewhere, so a chain that was cut together with its head looks whole\n')
      }
      if (!whole) process.exitCode = 1
    },
    { org },
  )
}

const NO_ANCHORS = { heads: [], bad: [] }

function reportLines(org: string, { events, first, last, anchors, problems }: ChainReport, bad: readonly string[]) {
  const lines = problems.map(({ n, kind, detail }) => `event ${n}  ${kind}: ${detail}`)
  const files = bad.map((name) => `${name}  the file is damaged or not signed by this key`)
  const state = lines.length + files.length === 0 ? 'whole' : 'NOT whole'
  return [`${org}: ${state}, ${events} events (${first} to ${last}), ${anchors} heads compared`, ...lines, ...files]
}

function anchor({ config: path, json }: Common): Promise<void> {
  return inTenant(path, async (tenant, config) => {
    const { anchorFolder, keyFile } = anchorPlace(config, path)
    const head = await tenant.read(readHead)
    const wish = { folder: anchorFolder, keyFile, org: config.org ?? '', head, nowMs: systemClock.wallMs() }
    const file = writeAnchor(wish)
    print(json, { ...head, file: file ?? null }, [file ?? 'the chain has no event yet'])
  })
}

function anchorPlace({ audit }: CloudConfig, path: string): NonNullable<CloudConfig['audit']> {
  if (audit) return audit
  throw new BioTrakrError(`${path} does not say where heads of the audit chain are kept`, {
    code: 'CONFIG_INVALID',
    next: 'Set audit.anchorFolder, best on another machine, and audit.keyFile.',
  })
}

interface ListOptions extends Common {
  readonly kind: EventList
  readonly actor?: string
  readonly object?: string
  readonly before?: number
  readonly limit: number
}

function list({ config, json, kind, actor, object, before, limit }: ListOptions): Promise<void> {
  return inTenant(config, async (tenant) => {
    const most = Math.min(Math.max(limit, 1), 1_000)
    const options = { before, actor, objectId: object, limit: most }
    const events = await tenant.read((client) => listEvents(client, kind, options))
    print(json, events, events.map(eventLine))
  })
}

function eventLine({ n, at, kind, actor, action, object, objectId, outcome, purpose }: ChainEvent): string {
  const why = purpose === null ? '' : `  for "${purpose}"`
  return `${n}  ${at.toISOString()}  ${kind}  ${actor}  ${action} ${object} ${objectId}  ${outcome}${why}`
}
