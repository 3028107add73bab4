import type { Command } from 'commander'

import { type AgentConfig, readConfig } from '../config.ts'
import { createBluetoothKernel } from '../sources.ts'
import { isAgentRunning } from '../survey-ear.ts'
import { systemClock } from '../system-clock.ts'
import { checkBroker, checkCentre } from './doctor-broker.ts'
import {
  type Check,
  checkAdapters,
  checkCapabilities,
  checkNode,
  checkPorts,
  checkSwitches,
  type Finding,
  type Patient,
  told,
} from './doctor-checks.ts'
import {
  checkApiCertificate,
  checkApiPort,
  checkClock,
  checkNative,
  checkReaders,
  checkStore,
} from './doctor-machine.ts'

interface DoctorOptions {
  readonly config?: string
  readonly json: boolean
}

/** In the order in which they are shown. */
const CHECKS: readonly Check[] = [
  checkNode,
  checkNative,
  checkClock,
  checkAdapters,
  checkPorts,
  checkCapabilities,
  checkSwitches,
  checkReaders,
  checkApiPort,
  checkApiCertificate,
  checkStore,
  checkBroker,
  checkCentre,
]

const EXIT_CODES = `
Exit codes:
  0  nothing failed; there may be warnings
  1  something failed: each line says what it means and what to do
  2  the command line is wrong`

/** `biotrakr doctor`: what this machine lacks, and how to mend it. */
export function addDoctorCommand(biotrakr: Command, exitWith: (code: number) => void): void {
  biotrakr
    .command('doctor')
    .description(
      'look for what keeps this gateway from hearing its tags and from reaching the centre, and say how to mend it',
    )
    .option('-c, --config <file>', 'check what this configuration needs; without it, what the machine has')
    .option('--json', 'one JSON array instead of plain lines', false)
    .addHelpText('after', EXIT_CODES)
    .action(async (options: DoctorOptions) => {
      const findings = await examine(options)
      process.stdout.write(options.json ? `${JSON.stringify(findings)}\n` : findings.map(line).join(''))
      if (findings.some(({ state }) => state === 'fail')) exitWith(1)
    })
}

async function examine({ config: file }: DoctorOptions): Promise<readonly Finding[]> {
  const { config, findings } = file === undefined ? { findings: [] } : configAt(file)
  const patient: Patient = {
    nowMs: systemClock.wallMs(),
    isAgentRunning: config !== undefined && (await isAgentRunning(config).catch(() => false)),
    nodeVersion: process.versions.node,
    kernel: createBluetoothKernel({ clock: systemClock }),
    rfkillDir: '/sys/class/rfkill',
    ...(config && { config }),
  }
  const found = await Promise.all(CHECKS.map((check) => check(patient)))
  return [...findings, ...found.flat()]
}

function configAt(file: string): { readonly config?: AgentConfig; readonly findings: readonly Finding[] } {
  const check = 'configuration'
  try {
    const config = readConfig(file, { needsSite: false })
    const meaning = `${file}: ${config.sources.length} sources, ${config.tags.length} tags`
    return { config, findings: [{ check, state: 'ok', meaning }] }
  } catch (error) {
    return { findings: [{ check, state: 'fail', ...told(error) }] }
  }
}

function line({ check, state, meaning, mend }: Finding): string {
  const mark = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' }[state]
  return `${mark}  ${check}: ${meaning}\n${mend === undefined ? '' : `      -> ${mend}\n`}`
}
