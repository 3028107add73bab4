/** What the launcher and the tests of the whole system need of the centre. */
export { applySite, asOwner, migrate, withPool } from './administration.ts'
export { startEnrolment } from './enrolment.ts'
export { createRecorder } from './record/recorder.ts'
export type { SiteInput } from './sites/site-file.ts'
