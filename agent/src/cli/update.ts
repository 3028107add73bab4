import { execFile } from 'node:child_process'
import type { IncomingMessage } from 'node:http'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

import { BioTrakrError } from '@biotrakr/shared'
import type { Command } from 'commander'

import { askAgent } from '../api-client.ts'
import { centreAuthorities } from '../centre-trust.ts'
import { type AgentConfig, readConfig, readSecret } from '../config.ts'
import { lockProcess } from '../process-lock.ts'
import { obtainFromCentre, obtainFromFolder } from '../release-source.ts'
import { systemClock } from '../system-clock.ts'
import { installedPlaces, openPlaces, type ReleasePlaces, type SeenHealth, type Slot, update } from '../updater.ts'

interface UpdateOptions {
  readonly config: string
  readonly from?: string
}

const SERVICE = 'biotrakr-agent.service'
/** Also for an update that runs from an updated release. */
const PACKAGED = '/usr/lib/biotrakr'
const ASK_MS = 5_000
const MAX_HEALTH_BYTES = 4 * 1024 * 1024

const NOTES = `
The release must be signed by a key that the present one pins, and be newer. It is laid out beside the present one, the
service is started with it, and if its health is not as good within two minutes, the present one takes over again.
Whatever interrupts an update, the present release runs on; the same command then goes on.

Exit codes:
  0  done, or there was nothing newer
  1  failed, nothing changed or gone back; the reason and the next step are on standard error
  2  the command line or the configuration is wrong`

/** `biotrakr update`: the newest release of the centre, tried before it is kept. */
export function addUpdateCommand(biotrakr: Command): void {
  biotrakr
    .command('update')
    .description('bring this gateway to the newest release of its centre (as root)')
    .option('-c, --config <file>', 'configuration file (YAML)', '/etc/biotrakr/agent.yaml')
    .option('--from <folder>', 'take the release from a folder, such as a USB stick, instead of the centre')
    .addHelpText('after', NOTES)
    .action(runUpdate)
}

async function runUpdate({ config: file, from }: UpdateOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new BioTrakrError('Only root may change what is installed', {
      code: 'USAGE',
      next: 'Run: sudo biotrakr update',
    })
  }
  // The agent, a user of its own, must be able to read what root lays out.
  process.umask(0o022)
  const config = readConfig(file, { needsSite: false })
  const tell = (line: string) => void process.stdout.write(`${line}\n`)
  const places = installedPlaces(PACKAGED)
  openPlaces(places)
  const unlock = lockProcess(join(places.trials, 'lock'), { by: 'biotrakr update', nowMs: Date.now(), inUse })
  const stop = listenForStop()
  try {
    const { from: before, to } = await update({
      places,
      clock: systemClock,
      tell,
      restart: async () => {
        await promisify(execFile)('systemctl', ['restart', SERVICE])
      },
      health: () => healthOf(config),
      obtain: (present) => obtain(config, { from, places, present }),
      isStopped: stop.isAsked,
    })
    tell(before === to ? `${to} is the newest` : `${to} is in force; ${before} stays beside it`)
  } finally {
    stop.end()
    unlock()
  }
}

interface ObtainOptions {
  readonly from: string | undefined
  readonly places: ReleasePlaces
  readonly present: Slot
}

async function obtain(config: AgentConfig, { from, ...where }: ObtainOptions) {
  if (from !== undefined) return obtainFromFolder(resolve(from), where)
  const { centre, gateway } = config
  if (!centre) {
    throw new BioTrakrError('the configuration names no centre', {
      code: 'CONFIG_INVALID',
      next: 'Add a section `centre`, or name a folder: biotrakr update --from FOLDER',
    })
  }
  const { url, tokenFile } = centre
  const token = tokenFile && readSecret(tokenFile)
  const ca = centreAuthorities(config)
  return await obtainFromCentre({ url, gateway, token, ca }, where)
}

/** @returns undefined while no agent answers */
function healthOf(config: AgentConfig): Promise<SeenHealth | undefined> {
  return new Promise((done) => {
    const onAnswer = (answer: IncomingMessage) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part
        if (text.length > MAX_HEALTH_BYTES) answer.destroy()
      })
      answer.on('close', () => done(parsedHealth(text)))
    }
    const request = askAgent(config, '/health', { timeoutMs: ASK_MS, onAnswer })
    request.on('timeout', () => request.destroy())
    request.on('error', () => done(undefined))
  })
}

function parsedHealth(text: string): SeenHealth | undefined {
  try {
    const { software, problems } = JSON.parse(text) as {
      readonly software: string
      readonly problems: readonly { readonly code: string }[]
    }
    return { version: software, problems: problems.map(({ code }) => code) }
  } catch {
    return undefined
  }
}

function listenForStop(): { isAsked(): boolean; end(): void } {
  let asked = false
  const ask = () => {
    asked = true
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, ask)
  return {
    isAsked: () => asked,
    end: () => {
      for (const signal of signals) process.off(signal, ask)
    },
  }
}

function inUse(): BioTrakrError {
  return new BioTrakrError('Another update is under way', {
    code: 'UPDATE_IN_USE',
    next: 'Wait until it has ended.',
  })
}
