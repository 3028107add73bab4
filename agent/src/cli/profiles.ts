import type { Driver } from '@biotrakr/firmware-profiles'
import { type Command, CommanderError } from 'commander'

import { openProfiles, type ProfileStore, problemLines } from '../profile-store.ts'

interface JsonOption {
  readonly json: boolean
}

/** `biotrakr profiles`: which readers are known, and whether a profile of one's own is right. */
export function addProfilesCommand(biotrakr: Command): void {
  const profiles = biotrakr.command('profiles').description('the readers that are known, each by its profile')
  profiles
    .command('list')
    .description('all profiles: version, how far each was verified, and what it is for')
    .option('--json', 'one JSON array', false)
    .action(list)
  profiles
    .command('check')
    .description(
      'every problem of profiles, their own golden and reject frames included; exit code 2 when there is one',
    )
    .argument('[profile...]', 'ids or files; all that come with the product when none is named', [])
    .option('--json', 'one JSON object per profile', false)
    .action(check)
  profiles
    .command('show')
    .description('what a profile says: line, limits, regions, commands and their parameters')
    .argument('<profile>', 'id or file')
    .option('--json', 'the whole profile with what it extends, as JSON', false)
    .action(show)
}

function list({ json }: JsonOption): void {
  const store = openProfiles()
  const rows = store.ids.map((id) => summary(store, id))
  if (json) {
    process.stdout.write(`${JSON.stringify(rows)}\n`)
    return
  }
  const width = Math.max(...rows.map(({ id }) => id.length))
  for (const { id, version, evidence, name } of rows) {
    process.stdout.write(`${id.padEnd(width)}  ${version.padEnd(8)}  ${evidence.padEnd(13)}  ${name}\n`)
  }
}

function summary(store: ProfileStore, id: string) {
  if (!store.isBuiltIn(id)) {
    const { version, name, document, fingerprint } = store.load(id)
    return { id, version, evidence: document.evidence.verifiedOn as string, name, fingerprint }
  }
  const { version, name, document, fingerprint } = store.loadBuiltIn(id)
  return { id, version, evidence: document.evidence.verifiedOn as string, name, fingerprint }
}

function check(wished: readonly string[], { json }: JsonOption): void {
  const names = wished.length > 0 ? wished : openProfiles().ids
  let wrong = 0
  for (const name of names) {
    const result = checkOne(name)
    if (result.problems.length > 0) wrong += 1
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : checkLines(result))
  }
  if (wrong > 0) throw new CommanderError(2, 'biotrakr.refused', `${wrong} with problems`)
}

interface CheckResult {
  readonly profile: string
  readonly problems: readonly { readonly path: string; readonly message: string }[]
  readonly version?: string
  readonly fingerprint?: string
  /** Frames of the profile's own that decode, or are refused, as it says. */
  readonly golden?: number
  readonly reject?: number
}

function checkOne(name: string): CheckResult {
  const store = openProfiles(name)
  const profile = store.id
  if (store.isBuiltIn(profile)) return checkBuiltIn(store)
  const { driver, problems } = store.check(profile)
  if (driver === undefined) return { profile, problems }
  const { golden, reject } = driver.document
  const { version, fingerprint } = driver
  return { profile, problems, version, fingerprint, golden: golden.length, reject: reject.length }
}

function checkBuiltIn({ id: profile, checkBuiltIn: check }: ReturnType<typeof openProfiles>): CheckResult {
  const { profile: found, problems } = check(profile)
  return { profile, problems, ...(found && { version: found.version, fingerprint: found.fingerprint }) }
}

function checkLines({ profile, problems, version, fingerprint, golden, reject }: CheckResult): string {
  if (problems.length > 0) {
    const noun = problems.length === 1 ? 'problem' : 'problems'
    return `${profile}: ${problems.length} ${noun}\n${problemLines(problems)
      .map((line) => `  ${line}\n`)
      .join('')}`
  }
  if (golden === undefined) return `${profile} ${version}: right; its driver is built in; SHA-256 ${fingerprint}\n`
  return `${profile} ${version}: right; ${golden} golden and ${reject} reject frames hold; SHA-256 ${fingerprint}\n`
}

function show(name: string, { json }: JsonOption): void {
  const store = openProfiles(name)
  const { id } = store
  if (store.isBuiltIn(id)) {
    process.stdout.write(`${JSON.stringify(store.loadBuiltIn(id).document, null, json ? 0 : 2)}\n`)
    return
  }
  const driver = store.load(id)
  process.stdout.write(json ? `${JSON.stringify(driver.document)}\n` : driverLines(driver))
}

function driverLines(driver: Driver): string {
  const { document, serial, limits, lifecycle, rssi } = driver
  const { powerDbm, antennas, regions } = limits
  const lines: [string, string | undefined][] = [
    ['profile', `${driver.id} ${driver.version}`],
    ['name', driver.name],
    ['models', document.models?.join('; ')],
    ['evidence', `${document.evidence.verifiedOn}: ${document.evidence.sources.join('; ')}`],
    ['fingerprint', `SHA-256 ${driver.fingerprint}`],
    ['line', `${serial.baud.join(', ')} baud, ${serial.dataBits} data bits, parity ${serial.parity}`],
    ['tcp port', driver.tcpPort === undefined ? undefined : String(driver.tcpPort)],
    ['tags', driver.tagKind === 'epc' ? 'UHF, EPC' : 'LF or HF, number of the tag'],
    ['rssi', rssi.unit === 'none' ? 'none' : `${rssi.unit}, ${rssi.calibrated ? 'calibrated' : 'not calibrated'}`],
    ['inventory', lifecycle.inventory],
    ['power', powerDbm && `${powerDbm.min} to ${powerDbm.max} dBm in steps of ${powerDbm.step}`],
    ['antennas', antennas === undefined ? undefined : String(antennas)],
    ['regions', regions.size === 0 ? undefined : [...regions.keys()].join(', ')],
  ]
  const head = lines.map(([name, text]) => (text === undefined ? '' : `${name}: ${text}\n`)).join('')
  return `${head}${parameterLines(driver)}${commandLines(driver)}`
}

function parameterLines({ document }: Driver): string {
  const lines = Object.entries(document.parameters ?? {}).map(([name, { doc, min, max, default: value }]) => {
    const range = min === undefined && max === undefined ? '' : ` ${min ?? ''}..${max ?? ''}`
    return `  ${name}:${range} ${doc}${value === undefined ? '' : ` (default ${String(value)})`}\n`
  })
  return lines.length === 0 ? '' : `parameters:\n${lines.join('')}`
}

function commandLines({ document, commands }: Driver): string {
  const lines = [...commands.values()].map(({ name, needs, radiates }) => {
    const wants = needs.length === 0 ? '' : ` (needs ${needs.join(', ')})`
    return `  ${name}${wants}${radiates ? ' [radio on]' : ''}: ${document.commands[name]?.doc ?? ''}\n`
  })
  return lines.length === 0 ? '' : `commands:\n${lines.join('')}`
}
