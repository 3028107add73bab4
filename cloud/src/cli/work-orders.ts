import type { Command } from 'commander'

import { serviceDesk } from '../administration.ts'
import { type Common, commandOf, print, wholeNumber } from './options.ts'
import { inTenant } from './tenant-command.ts'

const { workOrders, findAsset } = serviceDesk

/** `biotrakr-cloud work-orders ...`: what is done with assets, for an operator. */
export function addWorkOrders(cloud: Command): void {
  const group = cloud.command('work-orders').description('what is to be done with assets, and what was (as bt_api)')
  commandOf(group, 'list', 'list work orders, the most urgent first')
    .option('--all', 'those that are finished, too', false)
    .option('--state <state>', 'in this state')
    .option('--kind <kind>', 'of this kind, for example preventive')
    .option('--asset <tag>', 'of this asset')
    .option('--due <day>', 'due on this day or earlier')
    .option('--limit <n>', 'at most so many, 1000 at most')
    .action(list)
  commandOf(group, 'show <number>', 'all that is known of one').action(show)
  commandOf(group, 'open <asset>', 'ask for work on an asset, by its tag')
    .requiredOption('--kind <kind>', 'preventive, corrective, inspection, calibration, cleaning, install or disposal')
    .requiredOption('--title <text>', 'what it is about')
    .option('--priority <priority>', 'low, normal, high or urgent')
    .option('--due <day>', 'when it is due')
    .action(open)
  for (const step of workOrders.steps) {
    commandOf(group, `${step} <number>`, `${step} a work order`)
      .option('--to <name>', 'who does it')
      .option('--action <text>', 'what was done, or why not')
      .action((number: string, options: StepOptions) => move(step, number, options))
  }
}

interface ListOptions extends Common {
  readonly all: boolean
  readonly state?: string
  readonly kind?: string
  readonly asset?: string
  readonly due?: string
  readonly limit?: string
}

async function list({ config, json, all, state, kind, asset: tag, due, limit }: ListOptions): Promise<void> {
  const items = await inTenant(config, ({ read }) =>
    read(async (client) => {
      const asset = tag === undefined ? undefined : (await findAsset(client, tag)).id
      return workOrders.list(client, { open: String(!all && state === undefined), state, kind, asset, due, limit })
    }),
  )
  print(json, { items }, items.length > 0 ? items.map(lineOf) : ['no work order'])
}

async function show(number: string, { config, json }: Common): Promise<void> {
  const order = await inTenant(config, ({ read }) =>
    read(async (client) => {
      const { id } = await workOrders.find(client, wholeNumber(number))
      return workOrders.show(client, String(id))
    }),
  )
  const known = Object.entries(order).filter(([, value]) => value !== null)
  print(
    json,
    order,
    known.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`),
  )
}

interface OpenOptions extends Common {
  readonly kind: string
  readonly title: string
  readonly priority?: string
  readonly due?: string
}

async function open(tag: string, { config, json, kind, title, priority, due }: OpenOptions): Promise<void> {
  const order = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id } = await findAsset(client, tag)
      return workOrders.open(client, { asset_id: id, kind, title, priority, due_on: due })
    }),
  )
  print(json, order, [lineOf(order)])
}

interface StepOptions extends Common {
  readonly to?: string
  readonly action?: string
}

type Step = (typeof workOrders.steps)[number]

async function move(step: Step, number: string, { config, json, to, action }: StepOptions): Promise<void> {
  const order = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id, row_version } = await workOrders.find(client, wholeNumber(number))
      return workOrders.step(client, step, { id: String(id), body: { row_version, assigned_to: to, action } })
    }),
  )
  print(json, order, [lineOf(order)])
}

function lineOf(order: Readonly<Record<string, unknown>>): string {
  const { number, kind, state, priority, title, due_on, assigned_to } = order
  const parts = [number, kind, state, priority, title, due_on && `due ${due_on}`, assigned_to && `by ${assigned_to}`]
  return parts.filter(Boolean).join('  ')
}
