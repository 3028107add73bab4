import { type DownMessage, type Epoch, formatEpoch } from '@biotrakr/shared'

/** Most quarantined runs named in one acknowledgement; the rest stands in the quarantine only. */
const MAX_NAMED = 1_000

interface Recorded {
  readonly epoch: Epoch
  readonly hw: number
  readonly quarantined: readonly { readonly first: number; readonly last: number; readonly code: string }[]
}

export function ackText({ epoch, hw, quarantined }: Recorded, serverTimeMs: number): string {
  const named = quarantined.slice(0, MAX_NAMED)
  return text({ type: 'ack', epoch: formatEpoch(epoch), hw, quarantined: [...named], serverTimeMs })
}

export function nackText(epoch: Epoch, hw: number): string {
  return text({ type: 'nack', epoch: formatEpoch(epoch), need: hw + 1 })
}

export function welcomeText(epochs: readonly { readonly epoch: string; readonly hw: number }[]): string {
  return text({ type: 'welcome', epochs: [...epochs] })
}

export function refuseText(code: 'GATEWAY_UNKNOWN' | 'GATEWAY_BLOCKED'): string {
  const detail =
    code === 'GATEWAY_UNKNOWN'
      ? 'This gateway is not registered at the centre. Register it there; nothing is lost until then.'
      : 'This gateway is blocked at the centre. Ask its operator; nothing is lost until then.'
  return text({ type: 'refuse', code, detail })
}

/** The type ties the text to what agents accept. */
function text(message: DownMessage): string {
  return JSON.stringify(message)
}
