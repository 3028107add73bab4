import { readFileSync } from 'node:fs'

import { BioTrakrError } from '@biotrakr/shared'
import type { Command } from 'commander'
import { parse } from 'yaml'

import { serviceDesk } from '../administration.ts'
import { type Common, commandOf, print } from './options.ts'
import { inTenant } from './tenant-command.ts'

const { recalls, findAsset } = serviceDesk

/** `biotrakr-cloud recalls ...`: recalls of manufacturers and authorities, and what they concern, for an operator. */
export function addRecalls(cloud: Command): void {
  const group = cloud.command('recalls').description('recalls of devices, and which assets they concern (as bt_api)')
  commandOf(group, 'list', 'list recalls, the newest first')
    .option('--state <state>', 'new, in_action or closed')
    .action(list)
  commandOf(group, 'add <file>', 'register a recall from a YAML or JSON file, and look for what it concerns').action(
    add,
  )
  commandOf(group, 'show <number>', 'all that is known of one, by its number or id').action(show)
  commandOf(group, 'match <number>', 'look anew for what it concerns; what is decided stays').action(match)
  commandOf(group, 'assets <number>', 'what it concerns')
    .option('--state <state>', 'suspect, confirmed, cleared, fixed or removed')
    .action(assets)
  commandOf(group, 'decide <number> <asset> <state>', 'say of an asset that it is confirmed, cleared, fixed or removed')
    .option('--note <text>', 'why')
    .action(decide)
  commandOf(group, 'close <number>', 'close a recall of which every asset is settled').action(close)
}

async function list({ config, json, state }: Common & { readonly state?: string }): Promise<void> {
  const items = await inTenant(config, ({ read }) => read((client) => recalls.list(client, { state })))
  print(json, { items }, items.length > 0 ? items.map(lineOf) : ['no recall'])
}

async function add(file: string, { config, json }: Common): Promise<void> {
  const document = readDocument(file)
  const recall = await inTenant(config, ({ write }) => write((client) => recalls.create(client, document)))
  print(json, recall, [lineOf(recall)])
}

function readDocument(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new BioTrakrError(`${file} cannot be read as YAML or JSON`, {
      code: 'INPUT_INVALID',
      next: 'Check the name of the file and what stands in it.',
      cause,
    })
  }
}

async function show(number: string, { config, json }: Common): Promise<void> {
  const recall = await inTenant(config, ({ read }) =>
    read(async (client) => recalls.show(client, (await recalls.find(client, number)).id)),
  )
  const known = Object.entries(recall).filter(([, value]) => value !== null)
  print(
    json,
    recall,
    known.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`),
  )
}

async function match(number: string, { config, json }: Common): Promise<void> {
  const result = await inTenant(config, ({ write }) =>
    write(async (client) => recalls.match(client, (await recalls.find(client, number)).id)),
  )
  print(json, result, [`${result.added} assets more, ${result.cleared} no longer concerned`])
}

async function assets(number: string, { config, json, state }: Common & { readonly state?: string }): Promise<void> {
  const items = await inTenant(config, ({ read }) =>
    read(async (client) => recalls.assets(client, (await recalls.find(client, number)).id, { state })),
  )
  const lines = items.map(({ asset_tag, name, serial_no, lot_no, state: now, matched_by }) =>
    [asset_tag, name, serial_no && `serial ${serial_no}`, lot_no && `lot ${lot_no}`, now, `by ${matched_by}`]
      .filter(Boolean)
      .join('  '),
  )
  print(json, { items }, lines.length > 0 ? lines : ['no asset'])
}

interface Decision extends Common {
  readonly note?: string
}

async function decide(
  number: string,
  tag: string,
  ...[state, { config, json, note }]: [string, Decision]
): Promise<void> {
  const row = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id } = await recalls.find(client, number)
      const { id: asset } = await findAsset(client, tag)
      const current = (await recalls.assets(client, id, { limit: 1_000 })).find(({ asset_id }) => asset_id === asset)
      return recalls.decide(client, { id, asset, body: { row_version: current?.['row_version'] ?? 1, state, note } })
    }),
  )
  print(json, row, [`${tag} is ${String(row['state'])}`])
}

async function close(number: string, { config, json }: Common): Promise<void> {
  const recall = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id, row_version } = await recalls.find(client, number)
      return recalls.close(client, id, { row_version })
    }),
  )
  print(json, recall, [lineOf(recall)])
}

function lineOf(recall: Readonly<Record<string, unknown>>): string {
  const { number, authority, class: grade, state, title, issued_on, assets: counts } = recall
  const found = counts === undefined ? undefined : `assets ${JSON.stringify(counts)}`
  return [number, authority, `class ${grade}`, state, title, issued_on, found].filter(Boolean).join('  ')
}
