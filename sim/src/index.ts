export type { WardOptions } from './options.ts'
export { createWardScorer, type TagTruth, type WardScore, type WardScorer, wardTruth } from './score.ts'
export { createWard, type Truth, type Ward } from './ward.ts'
