import type { Command } from 'commander'

import { serviceDesk } from '../administration.ts'
import { type Common, commandOf, print } from './options.ts'
import { inTenant } from './tenant-command.ts'

const { transfers, findAsset } = serviceDesk

/** `biotrakr-cloud transfers ...`: assets on their way from one facility to another, for an operator. */
export function addTransfers(cloud: Command): void {
  const group = cloud.command('transfers').description('assets on their way to another facility (as bt_api)')
  commandOf(group, 'list', 'list transfers, the newest first')
    .option('--state <state>', 'requested, approved, in_transit, received, rejected or cancelled')
    .action(list)
  commandOf(group, 'request <asset> <facility>', 'ask for an asset, by its tag, to go to a facility, by its code')
    .option('--loan', 'it is to come back', false)
    .option('--due-back <day>', 'when a loan is to be back')
    .option('--reason <text>', 'why')
    .action(request)
  for (const step of transfers.steps) {
    commandOf(group, `${step} <id>`, `${step} a transfer, by the id that \`list\` says`).action(
      (id: string, options: Common) => move(step, id, options),
    )
  }
}

async function list({ config, json, state }: Common & { readonly state?: string }): Promise<void> {
  const items = await inTenant(config, ({ read }) => read((client) => transfers.list(client, { state })))
  print(json, { items }, items.length > 0 ? items.map(lineOf) : ['no transfer'])
}

interface Wish extends Common {
  readonly loan: boolean
  readonly dueBack?: string
  readonly reason?: string
}

async function request(tag: string, facility: string, { config, json, loan, dueBack, reason }: Wish): Promise<void> {
  const kind = loan ? 'loan' : 'move'
  const transfer = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { id } = await findAsset(client, tag)
      return transfers.request(client, id, { to_facility: facility, kind, due_back_on: dueBack, reason })
    }),
  )
  print(json, transfer, [lineOf(transfer)])
}

type Step = (typeof transfers.steps)[number]

async function move(step: Step, id: string, { config, json }: Common): Promise<void> {
  const transfer = await inTenant(config, ({ write }) =>
    write(async (client) => {
      const { row_version } = await transfers.show(client, id)
      return transfers.step(client, step, { id, body: { row_version } })
    }),
  )
  print(json, transfer, [lineOf(transfer)])
}

function lineOf({ id, asset_label, kind, state, due_back_on }: Readonly<Record<string, unknown>>): string {
  return [id, asset_label, kind, state, due_back_on && `due back ${due_back_on}`].filter(Boolean).join('  ')
}
