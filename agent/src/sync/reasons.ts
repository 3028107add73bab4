import { BioTrakrError } from '@biotrakr/shared'

import { causeOf, type KnownTime } from './connect-causes.ts'

/** MQTT 5 reason codes this client acts on (MQTT 5.0, section 2.4). */
export const RC = {
  noMatchingSubscribers: 0x10,
  notAuthorized: 0x87,
  sessionTakenOver: 0x8e,
  packetTooLarge: 0x95,
} as const

const NAMES: Readonly<Record<number, string>> = {
  1: 'unacceptable protocol version',
  4: 'bad user name or password',
  5: 'not authorised',
  128: 'unspecified error',
  129: 'malformed packet',
  130: 'protocol error',
  131: 'refused by a rule of the broker',
  132: 'unsupported protocol version',
  133: 'client identifier not valid',
  134: 'bad user name or password',
  135: 'not authorised',
  136: 'server unavailable',
  137: 'server busy',
  138: 'banned',
  139: 'server shutting down',
  140: 'bad authentication method',
  141: 'keep-alive timeout',
  142: 'session taken over',
  143: 'topic filter invalid',
  144: 'topic name invalid',
  147: 'too many messages in flight',
  149: 'packet too large',
  150: 'message rate too high',
  151: 'quota exceeded',
  152: 'closed by an administrator',
  153: 'payload format invalid',
  154: 'retained messages not supported',
  155: 'QoS not supported',
  156: 'use another server',
  157: 'server moved',
  159: 'connection rate exceeded',
  160: 'maximum connect time reached',
}

const CREDENTIALS = "Check the gateway's user name, password file and certificate against the broker's user list."
const REFUSAL_NEXT: Readonly<Record<number, string>> = {
  1: 'Use a broker that speaks MQTT 5.',
  4: CREDENTIALS,
  5: CREDENTIALS,
  132: 'Use a broker that speaks MQTT 5.',
  133: 'Check that the broker accepts the gateway id as client id.',
  134: CREDENTIALS,
  135: CREDENTIALS,
  138: 'Ask the operator of the broker why this gateway is banned.',
  140: CREDENTIALS,
  149: 'Raise the packet size limit of the broker.',
  156: "Set the broker's url to the server it names.",
  157: "Set the broker's url to the new server.",
}

function named(code: number): string {
  return `${NAMES[code] ?? 'a reason unknown here'}, reason 0x${code.toString(16).padStart(2, '0')}`
}

/** The broker answered a CONNECT with a refusal. */
export function connectRefused(code: number, broker: string): BioTrakrError {
  return new BioTrakrError(`the broker ${broker} refused the connection: ${named(code)}`, {
    code: 'BROKER_REFUSED',
    next: REFUSAL_NEXT[code] ?? 'Look at the log of the broker; the gateway tries again by itself.',
  })
}

/** The broker ended a connection that was up. */
export function disconnected(code: number, broker: string): BioTrakrError {
  if (code === RC.sessionTakenOver) {
    return new BioTrakrError(`another box took over this gateway's connection to ${broker}`, {
      code: 'SYNC_TWIN',
      next: 'Find the second box with this gateway id and certificate (a cloned card or a restored image) and switch it off.',
    })
  }
  return new BioTrakrError(`the broker ${broker} ended the connection: ${named(code)}`, {
    code: 'BROKER_REFUSED',
    next: 'Look at the log of the broker; the gateway connects again by itself.',
  })
}

export function publishRefused(code: number, topic: string): BioTrakrError {
  if (code === RC.notAuthorized) {
    return new BioTrakrError(`the broker does not let this gateway publish to ${topic}`, {
      code: 'SYNC_PUBLISH_DENIED',
      next: "Correct the broker's access list: a gateway writes to its own up/# tree. The data is kept meanwhile.",
    })
  }
  return new BioTrakrError(`the broker refused a message on ${topic}: ${named(code)}`, {
    code: 'SYNC_BROKER_LIMIT',
    next: 'Check the limits of the broker (packet size, quota, message rate). The data is kept meanwhile.',
  })
}

export function tooLarge(bytes: number, topic: string): BioTrakrError {
  return new BioTrakrError(`one record needs a message of ${bytes} bytes on ${topic}, more than the broker takes`, {
    code: 'SYNC_BROKER_LIMIT',
    next: 'Raise the packet size limit of the broker to 262144 bytes. The data is kept meanwhile.',
  })
}

export function subscribeRefused(code: number | undefined, topic: string): BioTrakrError {
  return new BioTrakrError(`the broker refused the subscription to ${topic}${code ? `: ${named(code)}` : ''}`, {
    code: 'SYNC_SUBSCRIBE_DENIED',
    next: "Correct the broker's access list: a gateway reads its own down/# tree. The data is kept meanwhile.",
  })
}

export function refusedByCentre(code: string, detail: string): BioTrakrError {
  if (code === 'STORE_TWIN' || code === 'STORE_RETIRED') {
    return new BioTrakrError(`the centre takes this box for a second one: ${detail} (${code})`, {
      code: 'SYNC_TWIN',
      next: 'Switch the other box off, or accept this one at the centre. The data is kept; it asks again in 10 minutes.',
    })
  }
  return new BioTrakrError(`the centre takes nothing from this gateway: ${detail} (${code})`, {
    code: 'SYNC_REFUSED',
    next: 'Settle it at the centre; the data is kept and the gateway asks again every minute.',
  })
}

/** @param unheard topic of which the broker said that nobody is subscribed, when it said so */
export function noAnswer(seconds: number, ackTopic: string, unheard: string | undefined): BioTrakrError {
  const why = unheard === undefined ? '' : `; the broker says that nobody reads ${unheard}`
  return new BioTrakrError(`no commit ack for ${seconds} s${why}`, {
    code: 'SYNC_NO_ACK',
    next: `Check that "biotrakr-cloud ingest" runs and that the broker lets this gateway read ${ackTopic}. The data is kept.`,
  })
}

/**
 * No connection came about, or it broke without a word from the broker.
 * @param time what is known of this machine's clock, for certificates whose dates do not fit
 */
export function unreachable(cause: Error, broker: string, time?: KnownTime): BioTrakrError {
  const { message, next } = causeOf(cause, time)
  return new BioTrakrError(`no connection to the broker ${broker}: ${message}`, {
    code: 'BROKER_UNREACHABLE',
    next,
    cause,
  })
}

/** A broker that takes over a connection for a second client of the same name does not always say so first. */
export function closedSilently(broker: string): BioTrakrError {
  return new BioTrakrError(`the connection to the broker ${broker} was closed without a word`, {
    code: 'BROKER_UNREACHABLE',
    next: 'Look at the log of the broker; a second box with the same gateway id would show there too.',
  })
}
