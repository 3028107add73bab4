import { createRequire } from 'node:module'

import type SQLite from 'better-sqlite3'

/**
 * Two builds of one library, because no single one runs on every Node this product supports:
 * - 12.x ends the process on Node 24.19 and later as soon as a database or statement is garbage collected (its base
 *   class `node::ObjectWrap` then removes a cleanup hook where there is no environment)
 * - 13.x, on Node-API, has no such fault, but crashes on Node 20 when a database is opened
 */
const FIRST_NODE_API_MAJOR = 22
const nodeMajor = Number(process.versions.node.split('.')[0])
const require = createRequire(import.meta.url)

/** `better-sqlite3`, in the build that fits the running Node. */
export const Sqlite: typeof SQLite = require(
  nodeMajor >= FIRST_NODE_API_MAJOR ? 'better-sqlite3-napi' : 'better-sqlite3',
)
