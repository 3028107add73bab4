import { type Command, InvalidArgumentError, Option } from 'commander'

import { createHistoryDesk } from '../administration.ts'
import { systemClock } from '../system-clock.ts'
import { inTenant } from './tenant-command.ts'

interface Common {
  readonly config: string
  readonly json: boolean
}

const desk = createHistoryDesk(systemClock)
const STATUSES = ['active', 'damaged', 'lost', 'retired']

/** `biotrakr-cloud tags ...`: which tag is on what, and since when. */
export function addTags(cloud: Command): void {
  const group = cloud.command('tags').description('tags, and what wears them (as bt_api)')
  withCommon(group.command('list', { isDefault: true }).description('list tags by their identities'))
    .option('--status <status>', 'in this state, for example low_battery')
    .option('--free', 'only those that nobody wears')
    .option('--after <identity>', 'go on after this one')
    .option('--limit <n>', 'at most so many, 1 to 1000')
    .action(list)
  withCommon(group.command('add <identity>').description('make a tag known, so that what is heard of it is kept'))
    .option('--kind <kind>', 'rfid_uhf, rfid_hf, ble, ble_sensor, badge, qr or legacy')
    .option('--label <text>', 'what people call it')
    .option('--model <text>', 'what it is')
    .option('--facility <code>', 'where it belongs')
    .action(add)
  withCommon(group.command('retire <identity>').description('take a tag out of use; its history stays'))
    .requiredOption('--reason <text>', 'why; it is kept')
    .action(retire)
  addWearing(group)
}

function addWearing(group: Command): void {
  withReason(group.command('assign <tag> <asset>').description('put a tag on an asset (its number or id)'))
    .option('--from <time>', 'since when, with a zone; now otherwise')
    .option('--to <time>', 'until when, for a time in the past')
    .option('--secondary', 'not the tag that places the asset')
    .action(assign)
  withStatus(withReason(group.command('unassign <tag>').description('take a tag off')))
    .option('--at <time>', 'when, with a zone; now otherwise')
    .action(unassign)
  withStatus(withReason(group.command('swap <asset> <tag>').description('another tag for an asset, at one moment')))
    .option('--at <time>', 'when, with a zone; now otherwise')
    .action(swap)
  withReason(group.command('correct <assignment>').description('move the borders of an assignment (id of `history`)'))
    .requiredOption('--row-version <n>', 'as `history` shows it', wholeNumber)
    .option('--from <time>', 'since when, with a zone')
    .option('--to <time>', 'until when, with a zone')
    .option('--open', 'it is still worn')
    .option('--remove', 'it never was: take it back')
    .action(correct)
  withCommon(group.command('history <name>').description('who wore a tag, or with --asset what an asset wore'))
    .option('--asset', 'the name is the number or id of an asset')
    .action(history)
}

function withCommon(command: Command): Command {
  return command
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .option('--json', 'one JSON document instead of plain lines', false)
}

function withReason(command: Command): Command {
  return withCommon(command).option('--reason <text>', 'why; needed for a change of the past')
}

function withStatus(command: Command): Command {
  return command.addOption(new Option('--status <status>', 'what becomes of the tag taken off').choices(STATUSES))
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('must be a whole number')
  return Number(text)
}

interface ListOptions extends Common {
  readonly status?: string
  readonly free?: boolean
  readonly after?: string
  readonly limit?: string
}

async function list({ config, json, ...wish }: ListOptions): Promise<void> {
  const tags = await inTenant(config, ({ read }) => read((client) => desk.listTags(client, wish)))
  if (json) return print(tags)
  for (const { identity, kind, status, assetTag, battery, lastSeen, label } of tags) {
    const worn = assetTag === null ? 'free' : `on ${assetTag}`
    const charge = battery === null ? '' : `  battery ${battery} %`
    const seen = lastSeen === null ? 'never seen' : `seen ${lastSeen.toISOString()}`
    process.stdout.write(`${identity}  ${kind}  ${status}  ${worn}${charge}  ${seen}${label ? `  ${label}` : ''}\n`)
  }
  if (tags.length === 0) process.stdout.write('no tag\n')
}

interface AddOptions extends Common {
  readonly kind?: string
  readonly label?: string
  readonly model?: string
  readonly facility?: string
}

async function add(identity: string, { config, json, ...fields }: AddOptions): Promise<void> {
  const tag = await inTenant(config, ({ write }) =>
    write((client) => desk.registerTag(client, { identity, ...fields })),
  )
  if (json) print(tag)
  else process.stdout.write(`${tag.identity} is registered\n`)
}

async function retire(identity: string, { config, json, reason }: Common & { readonly reason: string }): Promise<void> {
  const tag = await inTenant(config, ({ write }) => write((client) => desk.retireTag(client, { identity, reason })))
  if (json) print(tag)
  else process.stdout.write(`${tag.identity} is retired\n`)
}

interface AssignOptions extends Common {
  readonly from?: string
  readonly to?: string
  readonly secondary?: boolean
  readonly reason?: string
}

async function assign(tag: string, asset: string, { config, json, secondary, ...wish }: AssignOptions): Promise<void> {
  const made = await inTenant(config, ({ write }) =>
    write((client) => desk.assign(client, { tag, asset, primary: !secondary, ...wish })),
  )
  if (json) print(made)
  else process.stdout.write(`${lineOf(made)}\n`)
}

interface ChangeOptions extends Common {
  readonly at?: string
  readonly status?: string
  readonly reason?: string
}

async function unassign(tag: string, { config, json, ...wish }: ChangeOptions): Promise<void> {
  const done = await inTenant(config, ({ write }) => write((client) => desk.unassign(client, { tag, ...wish })))
  if (json) print(done)
  else process.stdout.write(`${lineOf(done)}\n`)
}

async function swap(asset: string, tag: string, { config, json, ...wish }: ChangeOptions): Promise<void> {
  const made = await inTenant(config, ({ write }) => write((client) => desk.swap(client, { asset, tag, ...wish })))
  if (json) print(made)
  else process.stdout.write(`${lineOf(made)}\n`)
}

interface CorrectOptions extends Common {
  readonly rowVersion: number
  readonly from?: string
  readonly to?: string
  readonly open?: boolean
  readonly remove?: boolean
  readonly reason?: string
}

async function correct(id: string, options: CorrectOptions): Promise<void> {
  const { config, json, rowVersion, from, to, open, remove, reason } = options
  const named = { id, row_version: rowVersion, reason }
  if (remove) {
    await inTenant(config, ({ write }) => write((client) => desk.remove(client, named)))
    if (json) print({ id, removed: true })
    else process.stdout.write(`${id} is taken back\n`)
    return
  }
  const borders = { ...(from && { from }), ...(open ? { to: null } : to && { to }) }
  const moved = await inTenant(config, ({ write }) => write((client) => desk.correct(client, { ...named, ...borders })))
  if (json) print(moved)
  else process.stdout.write(`${lineOf(moved)}\n`)
}

async function history(name: string, { config, json, asset }: Common & { readonly asset?: boolean }): Promise<void> {
  const of = asset ? { asset: name } : { tag: name }
  const rows = await inTenant(config, ({ read }) => read((client) => desk.assignments(client, of)))
  if (json) return print(rows)
  for (const row of rows) process.stdout.write(`${lineOf(row)}\n`)
  if (rows.length === 0) process.stdout.write('never worn\n')
}

type Row = Awaited<ReturnType<typeof desk.assign>>

function lineOf({ id, tag, assetTag, from, to, primary, reason, rowVersion }: Row): string {
  const until = to === null ? 'until now' : `until ${to.toISOString()}`
  const kind = primary ? '' : '  secondary'
  const why = reason === null ? '' : `  (${reason})`
  return `${tag}  on ${assetTag ?? 'a person'}  since ${from.toISOString()}  ${until}${kind}${why}  ${id} version ${rowVersion}`
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
