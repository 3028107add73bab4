import type { TagId } from '@biotrakr/shared'

/** Next to a tag in the order in which they were heard last. */
export interface Neighbours<Item> {
  readonly tag: TagId
  older: Item | undefined
  newer: Item | undefined
}

/** Tags in the order in which they were heard last. A `Map` in that order would be rebuilt every few answers. */
export interface Recency<Item> {
  readonly tracks: Map<TagId, Item>
  oldest: Item | undefined
  newest: Item | undefined
}

export function emptyRecency<Item>(): Recency<Item> {
  return { tracks: new Map(), oldest: undefined, newest: undefined }
}

/** Puts a tag behind all others. */
export function touch<Item extends Neighbours<Item>>(recency: Recency<Item>, item: Item): void {
  if (recency.newest === item) return
  if (recency.tracks.get(item.tag) === item) unlink(recency, item)
  else recency.tracks.set(item.tag, item)
  item.older = recency.newest
  if (recency.newest) recency.newest.newer = item
  recency.newest = item
  recency.oldest ??= item
}

/** @returns whether there was one to forget */
export function forgetOldest<Item extends Neighbours<Item>>(recency: Recency<Item>): boolean {
  const { oldest } = recency
  if (!oldest) return false
  unlink(recency, oldest)
  return recency.tracks.delete(oldest.tag)
}

function unlink<Item extends Neighbours<Item>>(recency: Recency<Item>, item: Item): void {
  const { older, newer } = item
  if (older) older.newer = newer
  else recency.oldest = newer
  if (newer) newer.older = older
  else recency.newest = older
  item.older = undefined
  item.newer = undefined
}
