import type { SiteMap } from '@biotrakr/shared'

import type { LintFinding } from './lint.ts'

type Portal = NonNullable<SiteMap['portals']>[number]

/** Portals that cannot tell which way something went, or would tell it the wrong way round. */
export function lintPortals(map: SiteMap): LintFinding[] {
  const rooms = new Map(map.receivers.map(({ id, room }) => [id, room]))
  return (map.portals ?? []).flatMap((portal, i): LintFinding[] => {
    const path = `portals[${i}]`
    const lacks = lackOf(portal)
    if (lacks) {
      const what = `portal "${portal.id}" tells no direction: ${lacks.why}`
      return [{ code: 'portal_without_direction', severity: 'error', path, what, fix: lacks.fix }]
    }
    const [first, second] = portal.between ?? []
    const [a, b] = [portal.antennas[0], portal.antennas.at(-1)].map((id) => id && rooms.get(id))
    const isReversed = a === second && a !== undefined && a !== first
    if (!isReversed && !(b === first && b !== undefined && b !== second)) return []
    const what = `portal "${portal.id}": its antennas stand the other way round than its rooms, so every way would be told backwards`
    return [{ code: 'portal_reversed', severity: 'error', path, what, fix: 'Turn round antennas or between.' }]
  })
}

function lackOf({ antennas, between }: Portal): { readonly why: string; readonly fix: string } | undefined {
  if (antennas.length < 2) {
    return { why: 'it has one antenna', fix: 'Add a second antenna that looks to the other side.' }
  }
  if (!between) return { why: 'nobody said which rooms it joins', fix: 'Name them under between.' }
  const [first, second] = between
  return first === second ? { why: 'both its sides are one room', fix: 'Name two rooms under between.' } : undefined
}
