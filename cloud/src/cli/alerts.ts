import type { Command } from 'commander'

import { reportDesk } from '../administration.ts'
import { type Common, commandOf, print } from './options.ts'
import { inTenant } from './tenant-command.ts'

/** `biotrakr-cloud alerts ...` and `par ...`: what raises alerts, and how much there should be of what. */
export function addAlerts(cloud: Command): void {
  const alerts = cloud
    .command('alerts')
    .description('rules that raise alerts (as bt_api); `report run open-alerts` shows these')
  commandOf(alerts, 'rules', 'rules in force').action(listRules)
  commandOf(alerts, 'add-rule', 'raise alerts from now on')
    .requiredOption('--facility <code>', 'facility')
    .requiredOption('--name <text>', 'what it is called')
    .requiredOption('--kind <kind>', 'sensor_limit or missing')
    .option('--severity <how>', 'info, warning, critical or emergency', 'warning')
    .option('--zone <code>', 'of a sensor limit: in the rooms of this zone')
    .option('--sensor <kind>', 'of a sensor limit: temperature or humidity')
    .option('--low <value>', 'lowest reading allowed, in units of the sensor')
    .option('--high <value>', 'highest reading allowed')
    .option('--minutes <n>', 'of missing: not heard for so long')
    .option('--category <code>', 'of missing: only these assets')
    .action(addRule)
  commandOf(alerts, 'end-rule <id>', 'raise no more by this rule').action((id: string, { config, json }: Common) =>
    change(config, json, 'ended', (client) => reportDesk.endAlertRule(client, { id })),
  )
  commandOf(alerts, 'ack <id>', 'say that somebody has seen it')
    .option('--note <text>', 'what is done about it')
    .action((id: string, { config, json, note }: Common & { readonly note?: string }) =>
      change(config, json, 'acknowledged', (client) => reportDesk.acknowledgeAlert(client, { id, note })),
    )
  addPar(cloud)
}

function addPar(cloud: Command): void {
  const par = cloud
    .command('par')
    .description('how much there should be where (as bt_api); `report run par-board` shows it')
  commandOf(par, 'set', 'say how many of a category should be in a zone')
    .requiredOption('--facility <code>', 'facility')
    .requiredOption('--zone <code>', 'zone')
    .requiredOption('--category <code>', 'category of assets')
    .requiredOption('--low <n>', 'fewest wanted')
    .option('--high <n>', 'most wanted')
    .action(({ config, json, ...wish }: Common & Record<string, unknown>) =>
      change(config, json, 'set', (client) => reportDesk.setParLevel(client, wish)),
    )
  commandOf(par, 'end <id>', 'say nothing of it any more').action((id: string, { config, json }: Common) =>
    change(config, json, 'ended', (client) => reportDesk.endParLevel(client, { id })),
  )
}

async function listRules({ config, json }: Common): Promise<void> {
  const rules = await inTenant(config, ({ read }) => read(reportDesk.listAlertRules))
  const lines = rules.map(({ id, facility, name, kind, severity, zone, sensor, low, high, minutes }) => {
    const limits = kind === 'missing' ? `after ${minutes} min` : `${zone} ${sensor} ${low ?? ''}..${high ?? ''}`
    return `${id}  ${facility}  ${severity}  ${name}: ${kind} ${limits}`
  })
  print(json, { items: rules }, lines.length > 0 ? lines : ['no rule'])
}

function addRule({ config, json, ...wish }: Common & Record<string, unknown>): Promise<void> {
  return change(config, json, 'added', (client) => reportDesk.addAlertRule(client, wish))
}

type Work = (client: Parameters<typeof reportDesk.listAlertRules>[0]) => Promise<{ readonly id: string }>

async function change(config: string, json: boolean, done: string, work: Work): Promise<void> {
  const result = await inTenant(config, ({ write }) => write(work))
  print(json, result, [`${done} ${result.id}`])
}
