import { type Command, InvalidArgumentError, Option } from 'commander'

import { systemClock } from '../system-clock.ts'
import {
  closeIncident,
  INCIDENT_KINDS,
  type Incident,
  listIncidents,
  noteIncident,
  openIncident,
  showIncident,
} from '../trust.ts'
import { type Common, commandOf, print, wholeNumber } from './options.ts'
import { inTenant } from './tenant-command.ts'

/** `biotrakr-cloud incident`: breaches and the like, with the time until the authority must hear of them. */
export function addIncidents(cloud: Command): void {
  const group = cloud.command('incident').description('register of incidents, with the 72 hours clock (as bt_api)')
  commandOf(group, 'list', 'every incident, those that are open first').action(({ config, json }: Common) =>
    inTenant(config, async (tenant) => {
      const incidents = await tenant.read(listIncidents)
      print(json, incidents, incidents.map(line))
    }),
  )
  commandOf(group, 'show', 'one incident and its notes')
    .argument('<id>', 'as `list` says it', wholeNumber)
    .action((id: number, { config, json }: Common) =>
      inTenant(config, async (tenant) => {
        const incident = await tenant.read((client) => showIncident(client, id))
        const notes = incident.notes.map(({ at, actor, note }) => `  ${at.toISOString()}  ${actor}  ${note}`)
        print(json, incident, [line(incident), ...notes])
      }),
    )
  commandOf(group, 'open <summary>', 'enter an incident; the clock runs from its discovery')
    .addOption(new Option('--kind <kind>', 'what it is').choices(INCIDENT_KINDS).makeOptionMandatory())
    .option('--discovered <time>', 'ISO 8601; now without it', instant)
    .option('--persons <n>', 'how many people it concerns', wholeNumber)
    .action((summary: string, options: Common & { kind: string; discovered?: number; persons?: number }) =>
      inTenant(options.config, async (tenant) => {
        const { kind, persons, discovered = systemClock.wallMs() } = options
        const input = { kind, summary, persons, discoveredAtMs: discovered }
        const incident = await tenant.write((client) => openIncident(client, input, now()))
        print(options.json, incident, [line(incident)])
      }),
    )
  commandOf(group, 'note <id> <note>', 'add what was found out or done')
    .option('--reported', 'the authority was told of it now', false)
    .option('--persons <n>', 'how many people it concerns, as known now', wholeNumber)
    .action((id: string, note: string, options: Common & { reported: boolean; persons?: number }) =>
      inTenant(options.config, async (tenant) => {
        const { reported, persons } = options
        const incident = await tenant.write(async (client) => {
          await noteIncident(client, wholeNumber(id), { note, reported, persons, ...now() })
          return showIncident(client, wholeNumber(id))
        })
        print(options.json, incident, [line(incident)])
      }),
    )
  commandOf(group, 'close <id> <note>', 'with what came of it').action((id: string, note: string, options: Common) =>
    inTenant(options.config, async (tenant) => {
      const incident = await tenant.write(async (client) => {
        await closeIncident(client, wholeNumber(id), { note, ...now() })
        return showIncident(client, wholeNumber(id))
      })
      print(options.json, incident, [line(incident)])
    }),
  )
}

const now = () => ({ nowMs: systemClock.wallMs() })

function instant(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw new InvalidArgumentError('must be a time such as 2026-05-01T12:00:00Z')
  return ms
}

function line(incident: Incident): string {
  const { id, kind, summary, discoveredAt, persons, closedAt } = incident
  const people = persons === null ? '' : `  ${persons} people`
  const state = closedAt === null ? 'open' : `closed ${closedAt.toISOString()}`
  return `${id}  ${kind}  ${state}  discovered ${discoveredAt.toISOString()}  ${clockOf(incident)}${people}  ${summary}`
}

function clockOf({ reportedAt, reportBy, closedAt }: Incident): string {
  if (reportedAt !== null) return `reported ${reportedAt.toISOString()}`
  if (closedAt !== null) return 'never reported'
  const hours = (reportBy.getTime() - systemClock.wallMs()) / 3_600_000
  const by = `report by ${reportBy.toISOString()}`
  return hours >= 0 ? `${by}, in ${Math.floor(hours)} h` : `${by}, OVERDUE by ${Math.ceil(-hours)} h`
}
