/** What the launcher and the tests of the whole system need of the centre. */
export { applySite, asOwner, assetDesk, migrate, withPool, withTenant } from './administration.ts'
export { startEnrolment } from './enrolment.ts'
export { deriveStays } from './history/derive-stays.ts'
export { createHistoryDesk } from './history/history-desk.ts'
export { rollUp } from './history/roll-up.ts'
export { createRecorder } from './record/recorder.ts'
export type { SiteInput } from './sites/site-file.ts'
export { verifyChain } from './trust/chain.ts'
