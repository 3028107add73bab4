import { createCipheriv, createDecipheriv } from 'node:crypto'

import type { Aes } from './decode/aes.ts'

/** AES by Node's own cryptography. */
export const nodeAes: Aes = {
  ecb(key) {
    const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
    return { encrypt: (block) => cipher.update(block) }
  },
  ccmDecrypt({ key, nonce, cipher, tag }) {
    const decipher = createDecipheriv('aes-128-ccm', key, nonce, { authTagLength: tag.length })
    decipher.setAuthTag(tag)
    try {
      const plain = decipher.update(cipher)
      decipher.final()
      return plain
    } catch {
      return undefined
    }
  },
}
