/** What `biotrakr-cloud doctor` looks at. */
export { examineBroker } from './upkeep/doctor-broker.ts'
export { examineDatabase, type Finding } from './upkeep/doctor-database.ts'
export { lookAtPolicies, lookAtRights, lookAtRoles } from './upkeep/doctor-rights.ts'
