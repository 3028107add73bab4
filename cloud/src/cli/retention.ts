import { type Command, Option } from 'commander'

import { databaseAccess } from '../access.ts'
import { asOwner } from '../administration.ts'
import { readConfig } from '../config.ts'
import { systemClock } from '../system-clock.ts'
import { DATA_CLASSES, liftHold, listHolds, listRetention, runRetention, setHold, setRetention } from '../trust.ts'
import { type Common, commandOf, print, wholeNumber } from './options.ts'
import { inTenant } from './tenant-command.ts'

/** `biotrakr-cloud retention`: what is kept for how long. */
export function addRetention(cloud: Command): void {
  const group = cloud.command('retention').description('what is kept for how long (as bt_api; apply as bt_jobs)')
  commandOf(group, 'list', 'every class of data with its days').action(({ config, json }: Common) =>
    inTenant(config, async (tenant) => {
      const rules = await tenant.read((client) => listRetention(client, now()))
      const lines = rules.map(({ dataClass, days, legalBasis, held }) => {
        return `${dataClass}  ${days} days  ${legalBasis}${held ? '  held: nothing is deleted' : ''}`
      })
      print(json, rules, lines)
    }),
  )
  commandOf(group, 'set', 'keep a class of data for so many days')
    .addArgument(group.createArgument('<class>', 'which data').choices(DATA_CLASSES))
    .argument('<days>', 'for how long', wholeNumber)
    .requiredOption('--basis <text>', 'why: the law or the rule of the house')
    .action((dataClass: string, days: number, { config, json, basis }: Common & { basis: string }) =>
      inTenant(config, async (tenant) => {
        await tenant.write((client) => setRetention(client, { dataClass, days, legalBasis: basis }))
        print(json, { dataClass, days }, [`${dataClass} is kept for ${days} days`])
      }),
    )
  commandOf(group, 'apply', 'delete what no organisation keeps any more and no hold stops').action(apply)
}

async function apply({ config, json }: Common): Promise<void> {
  const access = databaseAccess(readConfig(config), 'biotrakr-retention')
  const done = await asOwner(access, (client) => runRetention(client, systemClock))
  const { months, compliance, sessions, history } = done
  print(json, done, [
    `months of the audit chain: ${months.join(' ') || 'none'}`,
    `records of compliance: ${compliance}`,
    `sessions and invitations: ${sessions}`,
    ...history.map(({ table, rows, chunks }) => `${table}: ${chunks > 0 ? `${chunks} chunks` : `${rows} rows`}`),
  ])
}

/** `biotrakr-cloud hold`: what must not be deleted although its time is over. */
export function addHold(cloud: Command): void {
  const group = cloud.command('hold').description('legal holds, which stop deletion by age (as bt_api)')
  commandOf(group, 'list', 'every hold, those that last first').action(({ config, json }: Common) =>
    inTenant(config, async (tenant) => {
      const holds = await tenant.read(listHolds)
      const lines = holds.map(({ id, dataClass, reason, from, to }) => {
        const until = to === null ? 'lasts' : `lifted ${to.toISOString()}`
        return `${id}  ${dataClass ?? 'everything'}  since ${from.toISOString()}  ${until}  ${reason}`
      })
      print(json, holds, lines)
    }),
  )
  commandOf(group, 'set', 'stop deletion, of everything or of one class')
    .addOption(new Option('--class <class>', 'only of this class').choices(DATA_CLASSES))
    .requiredOption('--reason <text>', 'why')
    .action(({ config, json, reason, class: dataClass }: Common & { reason: string; class?: string }) =>
      inTenant(config, async (tenant) => {
        const hold = await tenant.write((client) => setHold(client, { reason, dataClass }, now()))
        print(json, hold, [`hold ${hold.id}: ${hold.dataClass ?? 'everything'} is kept`])
      }),
    )
  commandOf(group, 'lift', 'let deletion by age go on')
    .argument('<id>', 'as `list` says it', wholeNumber)
    .action((id: number, { config, json }: Common) =>
      inTenant(config, async (tenant) => {
        await tenant.write((client) => liftHold(client, id, now()))
        print(json, { id, lifted: true }, [`hold ${id} is lifted`])
      }),
    )
}

const now = () => ({ nowMs: systemClock.wallMs() })
