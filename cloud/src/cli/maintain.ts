import type { Command } from 'commander'
import { pino } from 'pino'

import { databaseAccess } from '../access.ts'
import { readConfig } from '../config.ts'
import { jobNames, lastRuns, startMaintenance } from '../maintenance.ts'
import { createService } from '../service.ts'
import { systemClock } from '../system-clock.ts'
import { askedToStop } from './stop.ts'

interface MaintainOptions {
  readonly config: string
  readonly stopOnStdinEnd: boolean
}

interface OnceOptions {
  readonly config: string
  readonly json: boolean
}

/** `biotrakr-cloud maintain`: the scheduled work of the centre. */
export function addMaintain(cloud: Command): void {
  const group = cloud.command('maintain').description('the scheduled work of the database (as bt_jobs)')
  const withConfig = (command: Command) =>
    command.requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
  withConfig(group.command('run', { isDefault: true }).description('run what is due, until told to stop'))
    .option('--stop-on-stdin-end', 'also stop when standard input ends, so that it ends with its parent', false)
    .action(runMaintenance)
  withConfig(group.command('now [jobs...]').description('run these jobs now, or all, one after another'))
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(runNow)
  withConfig(group.command('status').description('the last run of every job'))
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(showRuns)
}

async function runMaintenance({ config: file, stopOnStdinEnd }: MaintainOptions): Promise<void> {
  const config = readConfig(file)
  const log = pino({ name: 'biotrakr-maintain', level: config.log.level })
  const maintenance = await startMaintenance({
    ...optionsOf(file),
    host: config.maintain.host,
    port: config.maintain.port,
    log,
  })
  maintenance.start()
  const { pulses } = maintenance
  const service = createService({ clock: systemClock, log, pulses, env: process.env, pid: process.pid })
  service.started()
  await askedToStop(stopOnStdinEnd)
  service.stopping()
  await maintenance.stop()
}

async function runNow(names: readonly string[], { config: file, json }: OnceOptions): Promise<void> {
  const maintenance = await startMaintenance({ ...optionsOf(file), log: pino({ level: 'silent' }) })
  try {
    const wanted = names.length > 0 ? names : maintenance.jobs
    const runs = []
    for (const name of wanted) {
      const run = await maintenance.run(name)
      runs.push(run)
      const said = run.said === undefined ? '' : `  ${run.said}`
      if (!json) process.stdout.write(`${run.outcome.padEnd(7)} ${run.job.padEnd(24)} ${run.rows} rows${said}\n`)
    }
    if (json) process.stdout.write(`${JSON.stringify(runs)}\n`)
    if (runs.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1
  } finally {
    await maintenance.stop()
  }
}

async function showRuns({ config: file, json }: OnceOptions): Promise<void> {
  const runs = await lastRuns(optionsOf(file).database, jobNames(systemClock))
  if (json) process.stdout.write(`${JSON.stringify(runs)}\n`)
  for (const { job, startedAt, state, rows, said } of json ? [] : runs) {
    const when = startedAt?.toISOString() ?? 'never'
    process.stdout.write(
      `${state.padEnd(7)} ${job.padEnd(24)} ${when.padEnd(24)} ${rows ?? '-'} rows${said ? `  ${said}` : ''}\n`,
    )
  }
  if (runs.some(({ state }) => state === 'failed')) process.exitCode = 1
}

function optionsOf(file: string) {
  const config = readConfig(file)
  return { database: databaseAccess(config, 'biotrakr-maintain'), config, clock: systemClock }
}
