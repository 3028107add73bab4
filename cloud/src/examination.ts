/** What `biotrakr-cloud doctor` looks at. */
export { examineBroker } from './upkeep/doctor-broker.ts'
export { type CertificateFiles, examineCertificates } from './upkeep/doctor-certificates.ts'
export { examineDatabase, type Finding } from './upkeep/doctor-database.ts'
export { lookAtPolicies, lookAtRights, lookAtRoles } from './upkeep/doctor-rights.ts'
