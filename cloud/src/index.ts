/** What the launcher and the tests of the whole system need of the centre. */
export { applySite, asOwner, migrate, withPool } from './administration.ts'
export type { Site, SiteInput } from './record/site-file.ts'
