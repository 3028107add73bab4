import { type DownMessage, type Epoch, formatEpoch, type Hello } from '@biotrakr/shared'

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

type Addressee = Pick<Hello, 'store' | 'opening'>

interface Welcome {
  readonly epochs: readonly { readonly epoch: string; readonly hw: number }[]
  readonly quarantined: {
    readonly total: number
    readonly runs: readonly {
      readonly epoch: string
      readonly first: number
      readonly last: number
      readonly code: string
    }[]
  }
}

export function welcomeText(hello: Hello, { epochs, quarantined }: Welcome, serverTimeMs: number): string {
  const { total, runs } = quarantined
  const waiting = { total, runs: [...runs] }
  return text({ type: 'welcome', ...addressee(hello), epochs: [...epochs], quarantined: waiting, serverTimeMs })
}

export type RefusalCode = keyof typeof REFUSALS

/** @param hello the one that is answered, where it is one */
export function refuseText(code: RefusalCode, hello?: Hello): string {
  return text({ type: 'refuse', ...(hello && addressee(hello)), code, detail: REFUSALS[code] })
}

const REFUSALS = {
  GATEWAY_UNKNOWN: 'This gateway is not registered at the centre. Register it there; nothing is lost until then.',
  GATEWAY_BLOCKED: 'This gateway is blocked at the centre. Ask its operator; nothing is lost until then.',
  STORE_TWIN:
    'Another box with this gateway id came first. Switch one of them off, or accept this one at the centre with "biotrakr-cloud gateways accept-store".',
  STORE_RETIRED:
    'The store of this box was replaced at the centre by that of another box. Switch this one off, or accept it again with "biotrakr-cloud gateways accept-store".',
} as const

function addressee({ store, opening }: Hello): Addressee {
  return { store, ...(opening !== undefined && { opening }) }
}

/** The type ties the text to what agents accept. */
function text(message: DownMessage): string {
  return JSON.stringify(message)
}
