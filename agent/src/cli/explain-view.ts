import type { Explanation, KeptFix } from '../explain.ts'

const NAME = 16
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
const roomName = (room: string | null | undefined): string => room ?? 'outside'
const signed = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(1)}`
const timeOf = (atMs: number): string => new Date(atMs).toISOString()

/** An explanation as lines for a terminal. */
export function explanationLines(told: Explanation): string[] {
  const { tag, atMs, room, reason, method, confidence } = told
  const answer = room === null ? `unknown (${reason.replaceAll('_', ' ')})` : room
  return [
    `${tag} at ${timeOf(atMs)}: ${answer}, ${percent(confidence / 1000)}, by ${method}`,
    ...placeLine(told),
    ...told.why.map((sentence) => `  ${sentence}`),
    '',
    ...roomLines(told),
    ...evidenceLines(told),
    '',
    `rests with ${percent(told.resting)}; its power against the survey's tag: ${signed(told.offsetDb)} dB, give or take ${told.offsetSpreadDb.toFixed(1)}`,
  ]
}

function placeLine({ xCm, yCm, accuracyCm }: Explanation): string[] {
  if (xCm === undefined || yCm === undefined || accuracyCm === undefined) return []
  return [`  place ${(xCm / 100).toFixed(1)}, ${(yCm / 100).toFixed(1)} m within ${(accuracyCm / 100).toFixed(1)} m`]
}

function roomLines({ rooms }: Explanation): string[] {
  return [
    `${'room'.padEnd(NAME)}  probability  newest seconds  this second`,
    ...rooms.map(
      ({ room, probability, fast, nats }) =>
        `${roomName(room).padEnd(NAME)}  ${percent(probability).padStart(11)}  ${percent(fast).padStart(14)}  ${signed(nats).padStart(6)} nats`,
    ),
  ]
}

function evidenceLines({ rooms, evidence, otherNats }: Explanation): string[] {
  if (evidence.length === 0) return []
  const column = (text: string): string => text.padStart(18)
  return [
    '',
    `${'receiver'.padEnd(NAME)}     heard${rooms.map(({ room }) => column(roomName(room).slice(0, 16))).join('')}`,
    ...evidence.map(({ receiver, heardDbm, count, expectedDbm, nats }) => {
      const heard = heardDbm === null ? (count > 0 ? 'present' : 'not') : `${Math.round(heardDbm)} dBm`
      const cells = expectedDbm.map((dbm, n) => column(`${Math.round(dbm)} dBm ${signed(nats[n] ?? 0)}`))
      return `${receiver.padEnd(NAME)}  ${heard.padStart(8)}${cells.join('')}`
    }),
    `${'tag and places'.padEnd(NAME)}  ${' '.repeat(8)}${otherNats.map((own) => column(signed(own))).join('')}`,
    'for each room: power expected there, and what was heard of it for (+) or against (-) it, in nats',
  ]
}

/** Records of a store as lines for a terminal, newest first. */
export function keptLines(records: readonly KeptFix[]): string[] {
  return records.flatMap(({ fix, evidence }) => {
    const answer = fix.room ?? `unknown (${fix.reason.replaceAll('_', ' ')})`
    const head = `${timeOf(fix.atMs)}: ${answer}, ${percent(fix.confidence / 1000)}, by ${fix.method}`
    if (!evidence) return [head]
    const rooms = evidence.rooms.map(([room, perMille]) => `${roomName(room)} ${percent(perMille / 1000)}`)
    const receivers = evidence.receivers.map(
      ([receiver, dbm, nats]) => `${receiver} ${dbm === null ? 'not heard' : `${dbm} dBm`} (${signed(nats)} nats)`,
    )
    return [
      head,
      `  rooms: ${rooms.join(', ')}`,
      ...(receivers.length > 0 ? [`  for the first against the second: ${receivers.join(', ')}`] : []),
      ...(evidence.masked.length > 0 ? [`  left out: ${evidence.masked.join(', ')}`] : []),
      `  rests with ${evidence.resting} %; its power against the survey's tag: ${signed(evidence.offsetDb)} dB`,
    ]
  })
}
