/** What the launcher and the tests of the whole system need of the agent. */
export { type Dataset, datasetSiteMap, datasetTruth, readDataset, type TruthRow } from './acquire/dataset.ts'
export { outboxPath } from './agent.ts'
export type { AgentHealth } from './health.ts'
export { nodeCompression } from './node-compression.ts'
export { inspectOutbox, type LedgerTally } from './outbox/inspect.ts'
