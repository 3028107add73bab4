import { deflateRawSync, inflateRawSync } from 'node:zlib'

import type { Compression } from '@biotrakr/shared'

/** The wire's compression on top of Node's zlib: raw deflate, level 1. */
export const nodeCompression: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate: (bytes, maxBytes) => {
    try {
      return inflateRawSync(bytes, { maxOutputLength: maxBytes })
    } catch {
      return undefined
    }
  },
}
