/** Why a connection did not come about, and what a person can do about it. */
interface Cause {
  readonly message: string
  readonly next: string
}

/** What is known of this machine's clock. */
export interface KnownTime {
  /** Wall milliseconds by it. */
  readonly nowMs: number
  /** Whether a time server or the centre has confirmed it; undefined = not known. */
  readonly isConfirmed: boolean | undefined
  /** End of the certificate that this gateway has shown, wall milliseconds; undefined = it has shown none. */
  readonly ownUntilMs?: number | undefined
}

const FIREWALL = 'Check the network and the firewall between here and the broker.'
const NOT_TLS: Cause = {
  message: 'it answers without TLS: another service, or a web page or sign-in page of the network',
  next: 'Check that the port is the one for mqtts://, and that this network asks for no sign-in in a browser.',
}
const NO_TLS13: Cause = { message: 'it does not speak TLS 1.3', next: 'Switch TLS 1.3 on at the broker.' }
const OWN_CERTIFICATE =
  'Run "biotrakr doctor -c <configuration>" here: it shows this gateway\'s certificate and its dates.'
const UNTRUSTED: Cause = {
  message: 'its certificate is not signed by the configured CA',
  next: "Set broker.caFile to the CA that signed the broker's certificate; if that is right, something else answers here.",
}

/** By Node's codes for system, name service and TLS errors (nodejs.org/api/errors.html, OpenSSL alert names). */
const CAUSES: Readonly<Record<string, Cause>> = {
  ECONNREFUSED: {
    message: 'nothing listens there',
    next: 'Check that the broker runs and that address and port are right.',
  },
  ENOTFOUND: { message: 'its name is not known', next: "Check the host name in broker.url and this machine's DNS." },
  EAI_AGAIN: { message: 'the name server does not answer', next: "Check this machine's network and DNS." },
  ETIMEDOUT: { message: 'no answer', next: FIREWALL },
  EHOSTUNREACH: { message: 'no route to it', next: FIREWALL },
  ENETUNREACH: { message: 'no network', next: "Check this machine's network." },
  ECONNRESET: { message: 'it cut the line', next: 'Check that the port is the right one for mqtt:// or mqtts://.' },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    message: 'its certificate is for another name',
    next: 'Write the host in broker.url as the certificate names it.',
  },
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: NO_TLS13,
  ERR_SSL_UNSUPPORTED_PROTOCOL: NO_TLS13,
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NOT_TLS,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: {
    message: 'it wants a certificate of this gateway',
    next: 'Set broker.certFile and broker.keyFile.',
  },
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: {
    message: "this gateway's certificate was revoked",
    next: 'Ask the operator of the centre why; a gateway that is to go on is enrolled again.',
  },
  // Of a certificate from the future mosquitto says no more than this.
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: {
    message: "it does not take this gateway's certificate, which may not be valid yet by the broker's clock",
    next: `Compare the broker's clock with this machine's. ${OWN_CERTIFICATE}`,
  },
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: {
    message: "it does not know the CA of this gateway's certificate",
    next: 'Use the certificate that this centre issued, or give the broker the CA in its cafile.',
  },
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: {
    message: 'broker.keyFile is not the key of broker.certFile',
    next: 'Set both to files of the same enrolment.',
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
}
const NOT_MQTT = 'Check that the address is that of an MQTT broker and not of a web page or proxy.'

export function causeOf(error: Error, time?: KnownTime): Cause {
  const code = codeOf(error)
  if (code === 'CERT_NOT_YET_VALID') return notYetValid(time)
  if (code === 'CERT_HAS_EXPIRED') return expired(time)
  if (code === 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED') return ownExpired(time)
  const known = CAUSES[code]
  if (known) return known
  // What mqtt-packet says of an answer that is no packet of the protocol.
  if (/header flag bits/i.test(error.message)) {
    return { message: 'what answers there does not speak MQTT: perhaps a web page or proxy', next: NOT_MQTT }
  }
  return { message: error.message, next: NOT_MQTT }
}

/** A write that fails says EPROTO, and what OpenSSL found only in its text; a read has a code of its own for that. */
function codeOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const found = code === 'EPROTO' ? /SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1] : undefined
  return found === undefined ? code : `ERR_SSL_${found.toUpperCase().replaceAll(' ', '_')}`
}

const CLOCK_OR_CERTIFICATE = "Check this machine's date and time first, then the dates of the broker's certificate."
const SET_CLOCK =
  'Set this machine\'s clock: "timedatectl set-ntp true", or "timedatectl set-time" where there is no time server. The data is kept.'

/** Nobody hands out certificates for the future: as long as the time is not confirmed, the clock is behind. */
function notYetValid(time: KnownTime | undefined): Cause {
  if (time?.isConfirmed === true) {
    const next = "Look at the dates of the broker's certificate, and at the clock of the machine that issued it."
    return { message: "its certificate is not valid yet, and this machine's clock is confirmed", next }
  }
  const day = time ? ` (${dayOf(time)})` : ''
  return {
    message: `this machine's clock${day} is behind: by it the broker's certificate is not valid yet`,
    next: time ? SET_CLOCK : CLOCK_OR_CERTIFICATE,
  }
}

function expired(time: KnownTime | undefined): Cause {
  if (time?.isConfirmed === true) {
    const message = "its certificate has expired, and this machine's clock is confirmed"
    return {
      message,
      next: 'Renew the certificate of the broker: "biotrakr-cloud ca server" at the centre. The data is kept.',
    }
  }
  const day = time ? ` (${dayOf(time)}), which nobody has confirmed` : ''
  return { message: `its certificate has expired by this machine's clock${day}`, next: CLOCK_OR_CERTIFICATE }
}

/** OpenSSL says the same of a certificate that has expired and of a revocation list that has. */
function ownExpired(time: KnownTime | undefined): Cause {
  const ownMs = time?.ownUntilMs
  if (ownMs === undefined || time === undefined) {
    return { message: "this gateway's certificate has expired by the broker's clock", next: OWN_CERTIFICATE }
  }
  const day = dayOf({ nowMs: ownMs })
  if (ownMs <= time.nowMs) {
    const message = `this gateway's certificate has expired: it was good until ${day}`
    return { message, next: `It is renewed as soon as the centre answers. ${OWN_CERTIFICATE} The data is kept.` }
  }
  return {
    message: `the broker says that something has expired, but this gateway's certificate is good until ${day}`,
    next: "Check that `biotrakr-cloud enroll` keeps the broker's revocation list in date, and the broker's clock. The data is kept.",
  }
}

/** The day alone: a message that changed every second would be a new problem every second. */
function dayOf({ nowMs }: Pick<KnownTime, 'nowMs'>): string {
  return new Date(Math.min(Math.max(nowMs, 0), 8.64e15)).toISOString().slice(0, 10)
}
