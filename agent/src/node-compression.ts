import { deflateRawSync, inflateRawSync } from 'node:zlib'

import type { Compression } from '@biotrakr/shared'

/** Raw deflate by Node's zlib. Level 1: higher levels cost a gateway more time than the few bytes are worth. */
export const nodeCompression: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate: (bytes, maxBytes) => {
    try {
      return inflateRawSync(bytes, { maxOutputLength: Math.max(1, maxBytes) })
    } catch {
      return undefined
    }
  },
}
