import { BioTrakrError } from '@biotrakr/shared'
import { type Command, Option } from 'commander'

import type { TenantSession } from '../administration.ts'
import { readFile } from '../config.ts'
import {
  CONSENT_BASES,
  CONSENT_SCOPES,
  createPeopleDesk,
  importAdmissions,
  maintainPeople,
  type PeopleDesk,
  STAFF_GROUPS,
  type Vault,
} from '../people.ts'
import { systemClock } from '../system-clock.ts'
import { vaultFor } from './keys.ts'
import { type Common, commandOf, print, wholeNumber } from './options.ts'
import { inTenant } from './tenant-command.ts'

interface WithPurpose extends Common {
  readonly purpose: string
}

type Kind = 'patients' | 'staff'

/** `biotrakr-cloud patients|staff|consent|encounters|rounds|people ...`: people, by hand and from files. */
export function addPeople(cloud: Command): void {
  addPatients(cloud)
  addStaff(cloud)
  addConsent(cloud)
  addEncounters(cloud)
  addRounds(cloud)
  const group = cloud.command('people').description('scheduled work on people (as bt_jobs)')
  commandOf(group, 'maintain', 'derive rounds from presence, and erase whose time is over').action(maintain)
}

function addPatients(cloud: Command): void {
  const group = cloud.command('patients').description('patients, under pseudonyms (as bt_api, with keys.masterKeyFile)')
  addRegister(group, 'patients')
  peopleCommand(group, 'add', 'enter a patient; --identity holds the name and the record number')
    .option('--label <text>', 'pseudonym; made when it is left out')
    .option('--identity <file>', 'JSON with `name` and `number`, or - for standard input: never on the command line')
    .action((options: WithPurpose & Entry) => add('patients', options))
  peopleCommand(group, 'vital-signs <id>', 'what a tag measured at the body')
    .requiredOption('--from <time>', 'from this time, such as 2026-03-01T08:00:00Z')
    .requiredOption('--to <time>', 'to this time')
    .action(async (id: string, options: WithPurpose & { from: string; to: string }) => {
      const { from, to } = options
      const signs = await atDesk(options, (desk, { write }) =>
        write((client) => desk.vitalSigns(client, id, { from, to })),
      )
      const lines = signs.map(
        ({ at, display, value, ucum, loinc }) => `${at.toISOString()}  ${display}  ${value} ${ucum}  LOINC ${loinc}`,
      )
      print(options.json, signs, lines)
    })
}

function addStaff(cloud: Command): void {
  const group = cloud.command('staff').description('staff who may wear a tag (as bt_api, with keys.masterKeyFile)')
  addRegister(group, 'staff')
  peopleCommand(group, 'add', 'enter somebody; --identity holds the name and the employee number')
    .addOption(new Option('--group <group>', 'which work').choices([...STAFF_GROUPS]).makeOptionMandatory())
    .requiredOption(
      '--identity <file>',
      'JSON with `name` and `number`, or - for standard input: never on the command line',
    )
    .action((options: WithPurpose & Entry) => add('staff', options))
  peopleCommand(group, 'leave <id>', 'take the tag off now, and erase the person in 30 days').action(
    async (id: string, options: WithPurpose) => {
      await atDesk(options, (desk, { write }) => write((client) => desk.leave(client, id)))
      print(options.json, { left: id }, [`${id} has left`])
    },
  )
}

function addRegister(group: Command, kind: Kind): void {
  peopleCommand(group, 'list', 'everybody who was not erased; each is an entry of the audit chain')
    .option('--after <id>', 'go on after this one')
    .option('--limit <n>', 'at most so many, 200 at most')
    .action(async (options: WithPurpose & { after?: string; limit?: string }) => {
      const { after, limit } = options
      const people = await atDesk(options, (desk, { write }) =>
        write(async (client): Promise<readonly Person[]> => desk[kind].list(client, { after, limit })),
      )
      print(options.json, people, people.map(line))
    })
  peopleCommand(group, 'show <id>', 'one person; an entry of the audit chain').action(
    async (id: string, options: WithPurpose) => {
      const person = await atDesk(options, (desk, { write }) =>
        write(async (client): Promise<Person> => desk[kind].show(client, id)),
      )
      print(options.json, person, [line(person)])
    },
  )
  peopleCommand(group, 'locate <id>', 'where the tag was last heard; an entry of the audit chain').action(
    async (id: string, options: WithPurpose) => {
      const found = await atDesk(options, (desk, { write }) => write((client) => desk.locate(client, id)))
      const { facility, room, at } = found
      print(options.json, found, [`${facility}  ${room ?? 'no room'}  at ${at.toISOString()}`])
    },
  )
  peopleCommand(
    group,
    'stays <id>',
    'where the person was while wearing a tag, newest first; an entry of the audit chain',
  )
    .requiredOption('--from <time>', 'from this time, such as 2026-03-01T08:00:00Z')
    .requiredOption('--to <time>', 'to this time')
    .action(async (id: string, options: WithPurpose & { from: string; to: string }) => {
      const query = { from: options.from, to: options.to, limit: 1_000 }
      const stays = await atDesk(options, (desk, { write }) => write((client) => desk.stays(client, id, query)))
      const lines = stays.map(
        ({ from, to, facility, room }) =>
          `${from.toISOString()} - ${to.toISOString()}  ${facility}  ${room ?? 'no room'}`,
      )
      print(options.json, stays, lines)
    })
  peopleCommand(group, 'tag <id> <tag>', 'give the person a tag; needs a consent that is in force')
    .option('--at-body', 'its thermometer lies on the body', false)
    .action(async (id: string, tag: string, options: WithPurpose & { atBody: boolean }) => {
      const input = options.atBody ? { tag, measuresBody: true } : { tag }
      const made = await atDesk(options, (desk, { write }) =>
        write((client) => desk[kind].assignTag(client, id, input)),
      )
      print(options.json, made, [`${id} wears ${tag}`])
    })
  peopleCommand(group, 'untag <id>', 'take the tags off').action(async (id: string, options: WithPurpose) => {
    await atDesk(options, (desk, { write }) => write((client) => desk.removeTags(client, id)))
    print(options.json, { id }, [`${id} wears no tag`])
  })
  peopleCommand(group, 'erase <id>', 'destroy the key of a person, for good')
    .requiredOption('--reason <text>', 'why; it is kept, so it must name nobody')
    .action(async (id: string, options: WithPurpose & { reason: string }) => {
      const { reason } = options
      await atDesk(options, (desk, { write }) => write((client) => desk[kind].erase(client, id, { reason })))
      print(options.json, { erased: id }, [`${id} is erased`])
    })
}

interface Entry {
  readonly label?: string
  readonly group?: string
  readonly identity?: string
}

async function add(kind: Kind, options: WithPurpose & Entry): Promise<void> {
  const { label, group, identity } = options
  const known = identity === undefined ? {} : readIdentity(identity)
  const input = { ...known, ...(label !== undefined && { label }), ...(group !== undefined && { group }) }
  const made = await atDesk(options, (desk, { write }) => write((client) => desk[kind].create(client, input)))
  print(options.json, made, ['label' in made ? `${made.id}  ${String(made.label)}` : made.id])
}

/** Of what is wrong with it nothing is repeated. */
function readIdentity(file: string): object {
  const text = readFile(file === '-' ? '/dev/stdin' : file).toString('utf8')
  try {
    return Object(JSON.parse(text)) as object
  } catch {
    // The parser's message would show the beginning of the text.
    return refuseIdentity(file)
  }
}

function refuseIdentity(file: string): never {
  throw new BioTrakrError(`${file} is not JSON`, {
    code: 'INPUT_INVALID',
    next: 'Write {"name": "...", "number": "..."}.',
  })
}

function addConsent(cloud: Command): void {
  const group = cloud.command('consent').description('what people agreed to (as bt_api, with keys.masterKeyFile)')
  peopleCommand(group, 'add', 'record that somebody agreed, or what else allows it')
    .option('--patient <id>', 'a patient')
    .option('--staff <id>', 'somebody of the staff')
    .addOption(new Option('--scope <scope>', 'to what').choices([...CONSENT_SCOPES]).default('location'))
    .addOption(new Option('--basis <basis>', 'why').choices([...CONSENT_BASES]).default('consent'))
    .option('--document <text>', 'where the paper is kept; needed for a contract')
    .option('--from <time>', 'from this time; now when it is left out')
    .option('--to <time>', 'until this time; open when it is left out')
    .action(async (options: WithPurpose & ConsentOptions) => {
      const { patient, staff, scope, basis, document, from, to } = options
      const input = { patientId: patient, staffId: staff, scope, basis, documentRef: document, from, to }
      const made = await atDesk(options, (desk, { write }) => write((client) => desk.consents.record(client, input)))
      print(options.json, made, [made.id])
    })
  peopleCommand(group, 'list <person>', 'everything a person agreed to, newest first').action(
    async (person: string, options: WithPurpose) => {
      const consents = await atDesk(options, (desk, { read }) => read((client) => desk.consents.list(client, person)))
      const lines = consents.map(({ id, scope, basis, from, to, withdrawnAt }) => {
        const end = withdrawnAt ? `withdrawn ${withdrawnAt.toISOString()}` : (to?.toISOString() ?? 'open')
        return `${id}  ${scope}  ${basis}  ${from.toISOString()} - ${end}`
      })
      print(options.json, consents, lines)
    },
  )
  peopleCommand(group, 'withdraw <id>', 'take it back; where nothing else allows it, the tag comes off').action(
    async (id: string, options: WithPurpose) => {
      await atDesk(options, (desk, { write }) => write((client) => desk.consents.withdraw(client, id)))
      print(options.json, { withdrawn: id }, [`${id} is withdrawn`])
    },
  )
}

interface ConsentOptions {
  readonly patient?: string
  readonly staff?: string
  readonly scope: string
  readonly basis: string
  readonly document?: string
  readonly from?: string
  readonly to?: string
}

interface PlaceOptions {
  readonly room?: string
  readonly bed?: string
  readonly at?: string
}

function addEncounters(cloud: Command): void {
  const group = cloud.command('encounters').description('who lies where (as bt_api, with keys.masterKeyFile)')
  peopleCommand(group, 'list', 'who is in a facility now')
    .requiredOption('--facility <code>', 'which')
    .action(async (options: WithPurpose & { facility: string }) => {
      const { facility } = options
      const found = await atDesk(options, (desk, { write }) =>
        write((client) => desk.encounters.inpatients(client, { facility })),
      )
      const lines = found.map(
        ({ encounterId, label, room, bed }) =>
          `${encounterId}  ${label}  ${room === null ? 'no bed' : `${room} ${bed}`}`,
      )
      print(options.json, found, lines)
    })
  withPlace(peopleCommand(group, 'admit <patient>', 'a patient comes in'))
    .requiredOption('--facility <code>', 'which')
    .action(async (patientId: string, options: WithPurpose & PlaceOptions & { facility: string }) => {
      const { facility, room, bed, at } = options
      const input = { patientId, facility, room, bed, at }
      const made = await atDesk(options, (desk, { write }) => write((client) => desk.encounters.admit(client, input)))
      print(options.json, made, [made.id])
    })
  withPlace(peopleCommand(group, 'transfer <id>', 'into another bed')).action(
    async (id: string, options: WithPurpose & PlaceOptions) => {
      const { room, bed, at } = options
      await atDesk(options, (desk, { write }) =>
        write((client) => desk.encounters.transfer(client, id, { room, bed, at })),
      )
      print(options.json, { id }, [`${id} is in ${room} ${bed}`])
    },
  )
  peopleCommand(group, 'discharge <id>', 'a patient goes; the tag comes off')
    .option('--at <time>', 'when; now when it is left out')
    .action(async (id: string, options: WithPurpose & { at?: string }) => {
      const { at } = options
      await atDesk(options, (desk, { write }) => write((client) => desk.encounters.discharge(client, id, { at })))
      print(options.json, { id }, [`${id} has ended`])
    })
  peopleCommand(group, 'void <id>', 'what was entered in error counts no more').action(
    async (id: string, options: WithPurpose) => {
      await atDesk(options, (desk, { write }) => write((client) => desk.encounters.void(client, id)))
      print(options.json, { id }, [`${id} is void`])
    },
  )
  peopleCommand(group, 'import <file>', 'admissions, transfers and discharges from CSV; all rows or none')
    .option('--dry-run', 'check everything and change nothing', false)
    .action(importFile)
}

interface PlanOptions {
  readonly facility: string
  readonly zone: string
  readonly group: string
  readonly every: number
  readonly presence: number
  readonly fromMinute?: number
  readonly toMinute?: number
}

function addRounds(cloud: Command): void {
  const group = cloud.command('rounds').description('visits that are due, and which were made (as bt_api)')
  peopleCommand(group, 'list', 'rounds of a facility by the time at which they were due')
    .requiredOption('--facility <code>', 'which')
    .requiredOption('--from <time>', 'from this time, such as 2026-03-01T08:00:00Z')
    .requiredOption('--to <time>', 'to this time')
    .action(async (options: WithPurpose & { facility: string; from: string; to: string }) => {
      const { facility, from, to } = options
      const rounds = await atDesk(options, (desk, { read }) =>
        read((client) => desk.rounds.list(client, { facility, from, to, limit: 1_000 })),
      )
      const lines = rounds.map(({ dueAt, plan, room, state }) => `${dueAt.toISOString()}  ${plan}  ${room}  ${state}`)
      print(options.json, rounds, lines)
    })
  peopleCommand(group, 'plans', 'what is to be visited how often').action(async (options: WithPurpose) => {
    const plans = await atDesk(options, (desk, { read }) => read((client) => desk.rounds.plans(client)))
    const lines = plans.map(({ id, facility, zone, name, group: staff, everyMin, endedAt }) => {
      const ended = endedAt === null ? '' : '  ended'
      return `${id}  ${facility}/${zone}  ${name}  ${staff} every ${everyMin} min${ended}`
    })
    print(options.json, plans, lines)
  })
  peopleCommand(group, 'plan <name>', 'each room of a zone is to be visited every so many minutes')
    .requiredOption('--facility <code>', 'which')
    .requiredOption('--zone <code>', 'whose rooms')
    .addOption(new Option('--group <group>', 'by whom').choices([...STAFF_GROUPS]).makeOptionMandatory())
    .requiredOption('--every <minutes>', '15 to 1440', wholeNumber)
    .requiredOption('--presence <seconds>', 'how long a visit is at least, 5 to 3600', wholeNumber)
    .option('--from-minute <n>', 'of the local day; 0 when it is left out', wholeNumber)
    .option('--to-minute <n>', 'of the local day, above 1440 = after midnight; 1440 when it is left out', wholeNumber)
    .action(async (name: string, options: WithPurpose & PlanOptions) => {
      const { facility, zone, group: staff, every: everyMin, presence: minPresenceS, fromMinute, toMinute } = options
      const input = { name, facility, zone, group: staff, everyMin, minPresenceS, fromMinute, toMinute }
      const made = await atDesk(options, (desk, { write }) => write((client) => desk.rounds.create(client, input)))
      print(options.json, made, [made.id])
    })
  peopleCommand(group, 'end <id>', 'nothing is due by this plan any more').action(
    async (id: string, options: WithPurpose) => {
      await atDesk(options, (desk, { write }) => write((client) => desk.rounds.end(client, id)))
      print(options.json, { id }, [`${id} has ended`])
    },
  )
}

async function importFile(file: string, options: WithPurpose & { readonly dryRun: boolean }): Promise<void> {
  const text = readFile(file).toString('utf8')
  const { dryRun } = options
  const report = await withVault(options, ({ write }, vault) =>
    write((client) => importAdmissions(client, vault, { text, dryRun })),
  )
  const { rows, admit, transfer, discharge, created } = report
  const done = `${rows} rows: ${admit} admitted (${created} new), ${transfer} transferred, ${discharge} discharged`
  print(options.json, { ...report, dryRun }, [dryRun ? `${done}; nothing was changed` : done])
}

async function maintain({ config, json }: Common): Promise<void> {
  const now = new Date(systemClock.wallMs()).toISOString()
  const report = await inTenant(config, ({ write }) => write((client) => maintainPeople(client, now)))
  const { derived, erased } = report
  const kept = erased.held ? '; a legal hold keeps everything else' : ''
  print(json, report, [
    `${derived} rounds derived; ${erased.patients} patients and ${erased.staff} of the staff erased${kept}`,
  ])
}

function peopleCommand(group: Command, usage: string, description: string): Command {
  return commandOf(group, usage, description).requiredOption('--purpose <text>', 'what for; kept in the audit chain')
}

function withPlace(command: Command): Command {
  return command
    .option('--room <code>', 'room')
    .option('--bed <code>', 'bed in that room')
    .option('--at <time>', 'when; now when it is left out')
}

function atDesk<T>(options: WithPurpose, work: (desk: PeopleDesk, tenant: TenantSession) => Promise<T>): Promise<T> {
  return withVault(options, (tenant, vault) => work(createPeopleDesk(vault), tenant))
}

function withVault<T>(
  { config, purpose }: WithPurpose,
  work: (tenant: TenantSession, vault: Vault) => Promise<T>,
): Promise<T> {
  return inTenant(config, (tenant, file) => work(tenant, vaultFor(file, config)), { purpose })
}

interface Person {
  readonly id: string
  readonly label?: string | null
  readonly group?: string
  readonly name: string | null
  readonly number: string | null
  readonly erasedAt: Date | null
}

function line({ id, label, group, name, number, erasedAt }: Person): string {
  const parts = [id, label, group, name, number, erasedAt && `erased ${erasedAt.toISOString()}`]
  return parts.filter((part) => part !== null && part !== undefined).join('  ')
}
