import type { BitReader, BitWriter } from './epc-bits.ts'
import { readCode40, writeCode40 } from './epc-variable.ts'

/**
 * Host names behind the keys of the `++` schemes, TDS 2.3 section 14.5.16: letters as they are, frequent parts in short.
 * At most 63 characters.
 */
const HOSTNAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/

/** Optimisation table A: 7-bit codes that stand for more than one character. */
const SHORT = new Map<number, string>([
  [0x1e, 'qr.'],
  [0x1f, 'www.'],
  [0x20, 'id.'],
  [0x5b, '.com'],
  [0x5c, '.org'],
  [0x5d, '.net'],
  [0x5e, '.int'],
  [0x60, '.edu'],
  [0x7b, '.gov'],
  [0x7c, '.mil'],
  [0x7d, '.biz'],
  [0x7e, '.eco'],
  [0x7f, '.med'],
])

/** Optimisation tables B1-B4: a code of 0-3 and a second code that numbers these domains, each written without its first dot. */
const DOMAINS = [
  `ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo bq br bs bt bw by bz ca cc cd cf
  cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et eu fi fj fk fm fo fr ga gd ge gf gg
  gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp
  kr kw ky kz la lb lc li`,
  `lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu
  nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn sr ss st su sv sx
  sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw`,
  `com.au net.au org.au co.at com.bd co.bd com.br net.br co.nz com.ng com.pk co.in com.in co.il co.jp co.za co.kr com.es
  com.lk co.th co.tt com.tt com.tr biz.tr com.ua co.uk co.zm com.zm com.cn org.cn net.cn gov.cn`,
  'tech',
].map((table) => table.split(/\s+/).map((domain) => `.${domain}`))

interface Shortcut {
  readonly text: string
  readonly codes: readonly number[]
}

/** Longest first, so that the first that fits saves most. */
const SHORTCUTS: readonly Shortcut[] = [
  ...[...SHORT].map(([code, text]): Shortcut => ({ text, codes: [code] })),
  ...DOMAINS.flatMap((table, first) => table.map((text, second): Shortcut => ({ text, codes: [first, second] }))),
].sort((a, b) => b.text.length - a.text.length)

export function isHostname(text: string): boolean {
  return HOSTNAME.test(text)
}

export function readHostname(reader: BitReader): string {
  const plain = reader.number(1) === 1
  const length = reader.number(6)
  const text = plain ? readShortened(reader, length) : readCode40(reader, length)
  if (!isHostname(text)) reader.fail('value', `${JSON.stringify(text)} is no host name`)
  return text
}

/** @param length in 7-bit codes, not in characters */
function readShortened(reader: BitReader, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) {
    const code = reader.number(7)
    const domains = DOMAINS[code]
    if (domains) i++
    const part = domains ? domains[reader.number(7)] : (SHORT.get(code) ?? String.fromCharCode(code))
    if (part === undefined || i >= length) reader.fail('reserved', 'a host name with a code that is reserved')
    text += part ?? ''
  }
  return text
}

export function writeHostname(writer: BitWriter, text: string): void {
  if (!isHostname(text)) writer.fail('value', `${JSON.stringify(text)} is no host name`)
  if (writer.fault) return
  const capitals = /[A-Z]/.test(text) && !/[a-z]/.test(text)
  const codes = capitals ? [] : shortened(text)
  writer.number(capitals ? 0 : 1, 1)
  writer.number(capitals ? text.length : codes.length, 6)
  if (capitals) writeCode40(writer, text)
  for (const code of codes) writer.number(code, 7)
}

/** Never more codes than characters. */
function shortened(text: string): number[] {
  const codes: number[] = []
  for (let at = 0; at < text.length; ) {
    const shortcut = SHORTCUTS.find((candidate) => text.startsWith(candidate.text, at))
    if (shortcut) codes.push(...shortcut.codes)
    else codes.push(text.charCodeAt(at))
    at += shortcut?.text.length ?? 1
  }
  return codes
}
