/** Status codes in plain words (LLRP 1.0.1 section 14, LLRP 1.1 section 15). */
const STATUS: Readonly<Record<number, string>> = {
  100: 'a parameter of the message is wrong',
  101: 'a field of the message is wrong',
  102: 'an unexpected parameter',
  103: 'a parameter is missing',
  104: 'a parameter came twice',
  105: 'more parameters than it takes',
  106: 'more fields than it takes',
  107: 'an unknown parameter',
  108: 'an unknown field',
  109: 'it does not support this message',
  110: 'it does not support this protocol version',
  111: 'it does not support a parameter',
  112: 'the message does not fit its present state',
  200: 'a nested parameter is wrong',
  201: 'a field of a parameter is wrong',
  202: 'an unexpected nested parameter',
  203: 'a nested parameter is missing',
  204: 'a nested parameter came twice',
  205: 'more nested parameters than it takes',
  206: 'more fields in a parameter than it takes',
  207: 'an unknown nested parameter',
  208: 'an unknown field in a parameter',
  209: 'it does not support a nested parameter',
  300: 'a value is invalid',
  301: 'a value is out of range',
  401: 'the reader itself has a fault',
}

/** @returns why a reader refused, with what it says itself if it says anything */
export function statusWords(code: number, said: string): string {
  const words = STATUS[code] ?? 'an unknown reason'
  return said === '' ? `${words} (status ${code})` : `${words} (status ${code}: ${said})`
}

/** ConnectionAttemptEvent status (LLRP 1.0.1, reader events); 0 is success. */
const ATTEMPTS: Readonly<Record<number, string>> = {
  1: 'another host already has the reader, over a connection that the reader opened',
  2: 'another host already has the reader',
  3: 'the reader refused the connection without a reason',
  4: 'another host tries to connect to the reader',
}

export function attemptWords(status: number): string {
  return ATTEMPTS[status] ?? `the reader refused the connection with the unknown status ${status}`
}
