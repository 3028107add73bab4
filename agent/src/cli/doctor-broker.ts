import type { IncomingMessage } from 'node:http'

import { askAgent } from '../api-client.ts'
import { brokerAccessOf } from '../broker-access.ts'
import { isOver, probeWay } from '../broker-probe.ts'
import { ownCertificate, probeSignIn } from '../broker-sign-in.ts'
import { askCentre } from '../centre-probe.ts'
import type { AgentConfig } from '../config.ts'
import { machineTime } from '../machine-time.ts'
import { systemClock } from '../system-clock.ts'
import { softwareVersion } from '../version.ts'
import { type Check, type Finding, told } from './doctor-checks.ts'

/**
 * The way to the broker layer by layer. While the agent runs, its own connection is what counts: signing in a second
 * time would throw it out.
 */
export const checkBroker: Check = async ({ config, nowMs, isAgentRunning }) => {
  if (!config) return []
  try {
    const access = brokerAccessOf(config)
    const isTimeConfirmed = machineTime(config.clock.syncedFile).isMachineSynced()
    const own = ownCertificate(access, config.gateway, nowMs)
    const clock = { ...systemClock, wallMs: () => nowMs }
    const way = await probeWay(access, { clock, isTimeConfirmed })
    if (isOver(way)) return [...own, ...way]
    if (isAgentRunning) return [...own, ...way, await agentsWord(config)]
    if (isOver(own)) return [...own, ...way]
    const signIn = await probeSignIn(access, { gateway: config.gateway, software: softwareVersion, clock: systemClock })
    return [...own, ...way, ...signIn]
  } catch (error) {
    return [{ check: 'broker', state: 'fail', ...told(error) }]
  }
}

/** The centre's own server, where sites come from. */
export const checkCentre: Check = async ({ config }) => {
  if (config?.centre === undefined) return []
  const check = 'centre: site'
  try {
    return [{ check, state: 'ok', meaning: `${await askCentre(config)} answers` }]
  } catch (error) {
    return [{ check, state: 'fail', ...told(error) }]
  }
}

interface Health {
  readonly sync?: {
    readonly state?: string
    readonly lastAckMs?: number
    readonly problem?: { readonly message: string; readonly next: string }
  }
}

const ASK_MS = 3_000

/** What the running agent says of its connection and of the centre behind it. */
async function agentsWord(config: AgentConfig): Promise<Finding> {
  const check = 'centre, says the agent'
  const { sync } = await healthOf(config)
  if (sync?.problem) return { check, state: 'fail', meaning: sync.problem.message, mend: sync.problem.next }
  const acked =
    sync?.lastAckMs === undefined
      ? 'nothing confirmed since its start'
      : `last confirmed at ${new Date(sync.lastAckMs).toISOString()}`
  return { check, state: 'ok', meaning: `the agent is ${sync?.state ?? 'there'}, ${acked}` }
}

function healthOf(config: AgentConfig): Promise<Health> {
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage): void => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => {
        text += part
      })
      answer.on('end', () => {
        try {
          resolve(JSON.parse(text) as Health)
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
      answer.on('error', reject)
    }
    const request = askAgent(config, '/health', { timeoutMs: ASK_MS, onAnswer })
    request.on('timeout', () => request.destroy(new Error('the agent did not answer in time')))
    request.on('error', reject)
  })
}
