import type { SiteMap } from '@biotrakr/shared'

interface ListChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

/** What another version of a map says differently, by names; lists in which nothing differs are left out. */
export interface MapChanges {
  readonly [list: string]: ListChanges
}

type Entry = readonly [name: string, content: unknown]

/** From one version to another. A survey counts as one entry. */
export function compareMaps(from: SiteMap, to: SiteMap): MapChanges {
  const before = entriesOf(from)
  const after = entriesOf(to)
  const lists = Object.entries(before).map(([list, entries]) => [list, changes(entries, after[list] ?? [])] as const)
  return Object.fromEntries(
    lists.filter(([, { added, removed, changed }]) => [...added, ...removed, ...changed].length),
  )
}

function entriesOf(map: SiteMap): Record<string, readonly Entry[]> {
  const { rooms, receivers, adjacency, doors = [], portals = [], zones = [], references = [], survey } = map
  const pair = ([a, b]: readonly [string, string]) => [a, b].sort().join(' - ')
  return {
    rooms: rooms.map((room) => [room.id, room]),
    receivers: receivers.map((receiver) => [receiver.id, receiver]),
    doors: [
      ...adjacency.map((ends): Entry => [pair(ends), null]),
      ...doors.map(({ between, at }): Entry => [pair(between), at ?? null]),
    ],
    portals: portals.map((portal) => [portal.id, portal]),
    zones: zones.map((zone) => [zone.id, zone]),
    references: references.map((reference) => [reference.tag, reference]),
    survey: survey ? [['survey', survey]] : [],
  }
}

function changes(before: readonly Entry[], after: readonly Entry[]): ListChanges {
  const was = new Map(before.map(([name, content]) => [name, JSON.stringify(content)]))
  const is = new Map(after.map(([name, content]) => [name, JSON.stringify(content)]))
  return {
    added: [...is.keys()].filter((name) => !was.has(name)),
    removed: [...was.keys()].filter((name) => !is.has(name)),
    changed: [...is.keys()].filter((name) => was.has(name) && was.get(name) !== is.get(name)),
  }
}
