import { join } from 'node:path'

import { outboxPath } from './agent.ts'
import type { AgentConfig } from './config.ts'
import { nodeCompression } from './node-compression.ts'
import { createStoreReader, type StoreReader } from './outbox/store-reader.ts'

const MEGABYTE = 1_048_576

export type { StoreReader }

/** The store of a configured agent, to look into. */
export function openStoreOf(config: AgentConfig): { readonly reader: StoreReader; readonly maxBytes: number } {
  const { dataDir, outbox } = config
  const keyFile = outbox.keyFile ?? join(dataDir, 'outbox.key')
  return { reader: openStoreAt(outboxPath(dataDir), keyFile), maxBytes: outbox.maxMegabytes * MEGABYTE }
}

/** Any store: a copy, or one that was put aside. */
export function openStoreAt(path: string, keyFile: string | undefined): StoreReader {
  return createStoreReader({ path, keyFile, compression: nodeCompression })
}
