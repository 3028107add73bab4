import type { ReceiverId } from '@biotrakr/shared'

/** What says of itself which receivers it speaks for and how it fares. */
interface Speaker {
  readonly receivers: readonly ReceiverId[]
  status(): { readonly state: string; readonly down?: readonly ReceiverId[] }
}

/**
 * Receivers that can hear nothing just now: their reader is offline, their adapter is gone, their antenna is off. What two
 * sources speak for is down when both say so. A source that has ended, or not begun, says nothing of its receivers.
 * @returns each once, in the order of the sources
 */
export function receiversDown(sources: readonly Speaker[]): ReceiverId[] {
  const hearing = new Set<ReceiverId>()
  const down = new Set<ReceiverId>()
  for (const source of sources) {
    const { state, down: some = [] } = source.status()
    const gone = new Set(state === 'failed' ? source.receivers : some)
    for (const receiver of source.receivers) (gone.has(receiver) ? down : hearing).add(receiver)
  }
  return [...down].filter((receiver) => !hearing.has(receiver))
}
