import type { Explanation } from './explain.ts'

interface Circumstances {
  readonly how: 'PORTAL' | 'ROOM_BEACON' | undefined
  /** Whether two rooms claim the tag. */
  readonly isTorn: boolean
}

const percent = (share: number): string => `${Math.round(100 * share)} %`
const nameOf = (room: string | null | undefined): string => (room ? `"${room}"` : 'outside')

/** Why an answer is what it is, in sentences for a person. */
export function reasonsFor(parts: Omit<Explanation, 'why'>, circumstances: Circumstances): string[] {
  return [...answerWords(parts, circumstances), ...changeWords(parts), ...maskWords(parts)]
}

function answerWords(parts: Omit<Explanation, 'why'>, { how, isTorn }: Circumstances): string[] {
  const { reason, room, rooms, likeliest } = parts
  const [first, second] = rooms
  if (reason === 'not_heard')
    return [`No receiver has heard the tag for a while; it was last in ${lastRoom(likeliest)}.`]
  if (reason === 'not_calibrated')
    return ['Only receivers heard it that the site map lacks, or gives no room and no survey.']
  if (reason === 'receiver_down' && room === null) return ['Only receivers heard it that are left out just now.']
  if (isTorn)
    return ['Two rooms name themselves to the tag at once: nothing is answered until one of them falls silent.']
  if (reason === 'ambiguous') {
    return [
      `No room is sure enough: ${nameOf(first?.room)} ${percent(first?.probability ?? 0)}, ${nameOf(second?.room)} ${percent(second?.probability ?? 0)}.`,
    ]
  }
  if (reason === 'outside')
    return ['What is heard is as faint as through an outer wall, and a room with a way out is next.']
  if (how === 'PORTAL') return [`It went through a doorway into ${nameOf(room)}, by the order of the antennas.`]
  if (how === 'ROOM_BEACON') return [`${nameOf(room)} named itself to the tag.`]
  return evidenceWords(parts)
}

const lastRoom = (room: string | null): string => (room ? `"${room}"` : 'no known room')

/** The receivers that set the first room most apart from the second. */
function evidenceWords({ rooms, evidence }: Omit<Explanation, 'why'>): string[] {
  const [first, second] = rooms
  if (!first || !second) return []
  const telling = evidence
    .filter(({ nats }) => Math.abs(nats[1] ?? 0) >= 0.3)
    .sort((a, b) => (a.nats[1] ?? 0) - (b.nats[1] ?? 0))
  const words = telling.slice(0, 3).map(({ receiver, heardDbm, expectedDbm, nats }) => {
    const heard = heardDbm === null ? 'not heard' : `heard at ${Math.round(heardDbm)} dBm`
    const expected = `${Math.round(expectedDbm[0] ?? 0)} expected in ${nameOf(first.room)}, ${Math.round(expectedDbm[1] ?? 0)} in ${nameOf(second.room)}`
    const side = (nats[1] ?? 0) < 0 ? `for ${nameOf(first.room)}` : `for ${nameOf(second.room)}`
    return `${receiver} (${heard}; ${expected}) speaks ${side} by ${Math.abs(nats[1] ?? 0).toFixed(1)} nats.`
  })
  if (words.length > 0) return words
  return [
    `The newest second hardly tells ${nameOf(first.room)} from ${nameOf(second.room)}; what was heard before decides.`,
  ]
}

/** Why the answer changed, or what keeps it. */
function changeWords({ changed, rooms, resting, likeliest, reason }: Omit<Explanation, 'why'>): string[] {
  const words = changed
    ? [
        `It was ${changed.from === null ? 'not in a room' : `in ${nameOf(changed.from)}`} until ${new Date(changed.atMs).toISOString()}.`,
      ]
    : ['It has not changed rooms since it was first heard.']
  const [fast] = [...rooms].sort((a, b) => b.fast - a.fast)
  const isHeld = reason !== 'not_heard' && fast && fast.room !== likeliest
  if (isHeld) {
    const why = `rests with ${percent(resting)}, so seconds at one place that repeat the same error do not move it`
    return [...words, `The newest seconds sound like ${nameOf(fast.room)}, but the tag ${why}.`]
  }
  return words
}

function maskWords({ masked }: Omit<Explanation, 'why'>): string[] {
  return masked.map(({ receiver, why, rooms }) => {
    const cause = why === 'down' ? 'is reported down' : 'is silent although tags are near'
    const affected = rooms.length > 0 ? `; ${rooms.map(nameOf).join(', ')} has no other receiver` : ''
    return `Receiver ${receiver} ${cause} and left out${affected}.`
  })
}
