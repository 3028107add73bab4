import { BioTrakrError } from '@biotrakr/shared'
import type { Command } from 'commander'

import { createHistoryDesk } from '../administration.ts'
import { systemClock } from '../system-clock.ts'
import { inTenant } from './tenant-command.ts'

interface WhereOptions {
  readonly config: string
  readonly json: boolean
  readonly facility?: string
  readonly at?: string
  readonly stays?: boolean
  readonly from?: string
  readonly to?: string
}

const desk = createHistoryDesk(systemClock)
const DAY_MS = 86_400_000

/** `biotrakr-cloud where`: where an asset is and was, or where everything of a facility was. */
export function addWhere(cloud: Command): void {
  cloud
    .command('where [asset]')
    .description('where an asset is (its number or id), or with --facility where everything was at a time (as bt_api)')
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .option('--json', 'one JSON document instead of plain lines', false)
    .option('--stays', 'in which rooms the asset was, the last day unless --from and --to say otherwise')
    .option('--from <time>', 'begin of the stays, with a zone')
    .option('--to <time>', 'end of the stays, with a zone')
    .option('--facility <code>', 'everything of this facility')
    .option('--at <time>', 'when, with a zone; now otherwise')
    .action(where)
}

async function where(asset: string | undefined, options: WhereOptions): Promise<void> {
  const { facility, stays } = options
  if ((asset === undefined) === (facility === undefined)) {
    throw new BioTrakrError('name an asset, or --facility, not both', {
      code: 'USAGE',
      next: 'See `biotrakr-cloud where --help`.',
    })
  }
  if (asset === undefined) await showFacility(facility ?? '', options)
  else if (stays) await showStays(asset, options)
  else await showAsset(asset, options)
}

async function showAsset(asset: string, { config, json }: WhereOptions): Promise<void> {
  const place = await inTenant(config, ({ read }) => read((client) => desk.location(client, asset)))
  if (json) return print(place)
  const { assetTag, name, tag, facility, room, lastRoom, reason, since, minutesUnseen } = place
  if (tag === null) process.stdout.write(`${assetTag} ${name}: wears no tag\n`)
  else if (facility === null) process.stdout.write(`${assetTag} ${name}: its tag ${tag} was never placed\n`)
  else {
    const last = lastRoom === null ? '' : `, last in ${lastRoom.code}`
    const found = room === null ? `not known (${reason})${last}` : `${room.code} ${room.name}`
    const seen = `since ${since?.toISOString()}, heard ${minutesUnseen} min ago`
    process.stdout.write(`${assetTag} ${name}: ${facility.code} ${found}, ${seen}\n`)
  }
}

async function showStays(asset: string, { config, json, from, to }: WhereOptions): Promise<void> {
  const until = to ?? new Date(systemClock.wallMs()).toISOString()
  const since = from ?? new Date(Date.parse(until) - DAY_MS).toISOString()
  const window = { asset, from: since, to: until, limit: 10_000 }
  const stays = await inTenant(config, ({ read }) => read((client) => desk.stays(client, window)))
  if (json) return print(stays)
  for (const { from: enter, to: leave, facility, room } of stays) {
    const minutes = Math.round((leave.getTime() - enter.getTime()) / 60_000)
    process.stdout.write(`${enter.toISOString()}  ${leave.toISOString()}  ${minutes} min  ${facility} ${room ?? '-'}\n`)
  }
  if (stays.length === 0) process.stdout.write('nothing was heard of it then\n')
}

async function showFacility(facility: string, { config, json, at }: WhereOptions): Promise<void> {
  const when = at ?? new Date(systemClock.wallMs()).toISOString()
  const things = await inTenant(config, ({ read }) => read((client) => desk.whereAt(client, { facility, at: when })))
  if (json) return print(things)
  for (const { tag, assetTag, room, at: heard, reason } of things) {
    process.stdout.write(`${room ?? `- (${reason})`}  ${assetTag ?? '-'}  ${tag}  heard ${heard.toISOString()}\n`)
  }
  if (things.length === 0) process.stdout.write('nothing was heard in the week before\n')
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
