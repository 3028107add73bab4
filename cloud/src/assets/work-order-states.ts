import type { WORK_STATES } from './service-lists.ts'

type WorkState = (typeof WORK_STATES)[number]

interface Step {
  readonly from: readonly WorkState[]
  readonly to: WorkState
  /** Code of the permission that it takes. */
  readonly permission: 'work.create' | 'work.assign' | 'work.close' | 'work.verify'
}

/** Every way a work order can go. What is verified or cancelled stays so. */
export const WORK_STEPS = {
  release: { from: ['draft'], to: 'open', permission: 'work.create' },
  assign: { from: ['open', 'assigned'], to: 'assigned', permission: 'work.assign' },
  unassign: { from: ['assigned'], to: 'open', permission: 'work.assign' },
  start: { from: ['open', 'assigned', 'waiting_parts'], to: 'in_progress', permission: 'work.assign' },
  wait: { from: ['in_progress'], to: 'waiting_parts', permission: 'work.assign' },
  finish: { from: ['in_progress'], to: 'done', permission: 'work.close' },
  reopen: { from: ['done'], to: 'in_progress', permission: 'work.verify' },
  verify: { from: ['done'], to: 'verified', permission: 'work.verify' },
  cancel: {
    from: ['draft', 'open', 'assigned', 'in_progress', 'waiting_parts'],
    to: 'cancelled',
    permission: 'work.close',
  },
} as const satisfies Readonly<Record<string, Step>>

export type WorkStep = keyof typeof WORK_STEPS

export function canStep(step: WorkStep, state: unknown): boolean {
  return WORK_STEPS[step].from.some((from) => from === state)
}
