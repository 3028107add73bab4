/** AES-128 for one key. */
export interface BlockCipher {
  /** @param block 16 bytes; @returns 16 new bytes */
  encrypt(block: Uint8Array): Uint8Array
}

interface Sealed {
  /** 16 bytes. */
  readonly key: Uint8Array
  /** 13 bytes. */
  readonly nonce: Uint8Array
  readonly cipher: Uint8Array
  /** 4 bytes. */
  readonly tag: Uint8Array
}

/** What this stage needs of a cryptographic library, which it may not load itself. */
export interface Aes {
  /** Prepares a key once; keep the result, for preparing costs ten times as much as one block. */
  ecb(key: Uint8Array): BlockCipher
  /** AES-128-CCM without associated data. @returns undefined when the tag does not fit */
  ccmDecrypt(sealed: Sealed): Uint8Array | undefined
}
