import type { Command } from 'commander'

import { assetDesk } from '../administration.ts'
import { inTenant } from './tenant-command.ts'

interface Common {
  readonly config: string
  readonly json: boolean
}

interface Filter extends Common {
  readonly facility?: string
  readonly department?: string
  readonly category?: string
  readonly status?: string
  readonly limit?: string
}

interface WithReason extends Common {
  readonly reason: string
  readonly disposed?: boolean
}

/** `biotrakr-cloud assets ...`: what the organisation owns, for an operator. */
export function addAssets(cloud: Command): void {
  const group = cloud.command('assets').description('what the organisation owns (as bt_api)')
  withFilter(group.command('list', { isDefault: true }).description('list live assets by tag'))
    .option('--deleted', 'those that were deleted instead', false)
    .option('--cursor <text>', 'go on where a list ended')
    .action(listAll)
  withFilter(group.command('search [words...]').description('find assets by words, by attributes or by both'))
    .option('--attr <key=value...>', 'that have this attribute', [])
    .action(search)
  withCommon(group.command('show <tag>').description('all that is known of one asset, by tag or id')).action(show)
  withReason(group.command('retire <tag>').description('take an asset out of use for good; it stays in the lists'))
    .option('--disposed', 'it is gone, not only out of use', false)
    .action(retire)
  withReason(
    group.command('delete <tag>').description('take out of all lists what should not have been entered'),
  ).action(remove)
  withCommon(group.command('restore <tag>').description('take back a deletion (by id) or a retirement')).action(restore)
  withCommon(group.command('reindex').description('gather the words that misspelt searches are corrected to')).action(
    reindex,
  )
}

function withCommon(command: Command): Command {
  return command
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .option('--json', 'one JSON document instead of plain lines', false)
}

function withFilter(command: Command): Command {
  return withCommon(command)
    .option('--facility <code>', 'of this facility')
    .option('--department <code>', 'of this department')
    .option('--category <code>', 'of this category or one below it')
    .option('--status <status>', 'in this state, for example in_repair')
    .option('--limit <n>', 'at most so many, 200 at most')
}

function withReason(command: Command): Command {
  return withCommon(command).requiredOption('--reason <text>', 'why; it is kept')
}

function filterOf({ facility, department, category, status, limit }: Filter) {
  return { facility, department, category, status, limit }
}

async function listAll(options: Filter & { readonly deleted: boolean; readonly cursor?: string }): Promise<void> {
  const query = { ...filterOf(options), deleted: String(options.deleted), cursor: options.cursor }
  const page = await inTenant(options.config, ({ read }) => read((client) => assetDesk.list(client, query)))
  if (options.json) return print(page)
  for (const item of page.items) process.stdout.write(`${line(item)}\n`)
  if (page.items.length === 0) process.stdout.write('no asset\n')
  if (page.next !== null) process.stderr.write(`there are more: --cursor ${page.next}\n`)
}

async function search(words: readonly string[], options: Filter & { readonly attr: readonly string[] }): Promise<void> {
  const pairs = options.attr.map((pair) => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)])
  const attrs = pairs.length > 0 ? Object.fromEntries(pairs) : undefined
  const query = { ...filterOf(options), q: words.join(' '), attrs }
  const found = await inTenant(options.config, ({ read }) => read((client) => assetDesk.search(client, query)))
  if (options.json) return print(found)
  if (found.corrected !== null) process.stderr.write(`also searched for: ${found.corrected}\n`)
  for (const item of found.items) process.stdout.write(`${line(item)}\n`)
  if (found.items.length === 0) process.stdout.write('no asset\n')
}

async function show(tag: string, { config, json }: Common): Promise<void> {
  const asset = await inTenant(config, ({ read }) => read((client) => assetDesk.show(client, tag)))
  if (json) return print(asset)
  for (const [name, value] of Object.entries(asset)) {
    if (value !== null) process.stdout.write(`${name}: ${plain(value)}\n`)
  }
}

function plain(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? value : JSON.stringify(value)
}

async function retire(tag: string, { config, json, reason, disposed }: WithReason): Promise<void> {
  const status = disposed ? 'disposed' : 'retired'
  const asset = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id, row_version } = await assetDesk.show(client, tag)
      return assetDesk.retire(client, id, { row_version, reason, status })
    }),
  )
  if (json) print(asset)
  else process.stdout.write(`${asset.asset_tag} is ${asset.status}\n`)
}

async function remove(tag: string, { config, json, reason }: WithReason): Promise<void> {
  const asset = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id, row_version } = await assetDesk.show(client, tag)
      await assetDesk.remove(client, id, { row_version, reason })
      return assetDesk.show(client, id)
    }),
  )
  if (json) print(asset)
  else process.stdout.write(`${asset.asset_tag} is deleted; \`assets restore ${asset.id}\` takes that back\n`)
}

async function restore(tag: string, { config, json }: Common): Promise<void> {
  const asset = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id, row_version } = await assetDesk.show(client, tag)
      return assetDesk.restore(client, id, { row_version })
    }),
  )
  if (json) print(asset)
  else process.stdout.write(`${asset.asset_tag} is back: ${asset.status}\n`)
}

async function reindex({ config, json }: Common): Promise<void> {
  const words = await inTenant(config, ({ write }) => write((client) => assetDesk.rebuildSearchWords(client)))
  if (json) print({ words })
  else process.stdout.write(`${words} words\n`)
}

interface Line {
  readonly id: string
  readonly asset_tag: string
  readonly name: string
  readonly facility: string
  readonly department: string | null
  readonly category: string
  readonly manufacturer: string | null
  readonly model_name: string | null
  readonly serial_no: string | null
  readonly status: string
  readonly deleted_at: Date | null
}

function line(item: Line): string {
  const { asset_tag, name, facility, department, category, manufacturer, model_name, serial_no, status } = item
  const model = [manufacturer, model_name, serial_no && `serial ${serial_no}`].filter(Boolean).join(' ')
  const place = department === null ? facility : `${facility}/${department}`
  const deleted = item.deleted_at === null ? '' : `deleted ${item.deleted_at.toISOString()}, id ${item.id}`
  return [asset_tag, name, category, model, place, status, deleted].filter((part) => part !== '').join('  ')
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
