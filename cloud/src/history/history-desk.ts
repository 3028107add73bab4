import type { Clock } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { assignTag, correctAssignment, listAssignments, removeAssignment, swapTag, unassignTag } from './assignments.ts'
import { nearestAssets } from './nearest.ts'
import { assetHistory, assetLocation, assetStays, whereAt } from './reading.ts'
import { listTags, registerTag, retireTag, showTag } from './tags.ts'
import { assetTrack } from './track.ts'

/** Everything that is asked and done with tags and history; each checks what it is given. */
export function createHistoryDesk(clock: Clock) {
  return {
    listTags,
    showTag,
    registerTag,
    retireTag,
    assign: (client: ClientBase, input: unknown) => assignTag(client, input, clock),
    unassign: (client: ClientBase, input: unknown) => unassignTag(client, input, clock),
    swap: (client: ClientBase, input: unknown) => swapTag(client, input, clock),
    correct: (client: ClientBase, input: unknown) => correctAssignment(client, input, clock),
    remove: removeAssignment,
    assignments: listAssignments,
    location: assetLocation,
    history: assetHistory,
    stays: assetStays,
    track: assetTrack,
    whereAt,
    nearest: nearestAssets,
  }
}
