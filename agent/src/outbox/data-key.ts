import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

const KEY_BYTES = 32

interface KeyPlace {
  readonly keyFile: string
  /** A store that has never held anything: only then may a key be made. */
  readonly isFreshStore: boolean
}

/**
 * Reads the data key, or makes one for a fresh store: 32 random bytes, mode 0600, durable before it is used.
 * @throws BioTrakrError OUTBOX_KEY when it is missing, unreadable or not a key
 */
export function loadDataKey(storePath: string, { keyFile, isFreshStore }: KeyPlace): KeyObject {
  let bytes: Buffer
  try {
    bytes = readFileSync(keyFile)
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    if (isMissing && isFreshStore) return makeKey(keyFile)
    throw new BioTrakrError(
      isMissing
        ? `The key ${keyFile} of the outbox ${storePath} is missing`
        : `Cannot read the key ${keyFile} of the outbox ${storePath}`,
      { code: 'OUTBOX_KEY', cause, next: keyHelp(storePath) },
    )
  }
  if (bytes.length === KEY_BYTES) return createSecretKey(bytes)
  throw new BioTrakrError(`The key file ${keyFile} holds ${bytes.length} bytes, a key has ${KEY_BYTES}`, {
    code: 'OUTBOX_KEY',
    next: keyHelp(storePath),
  })
}

export function keyHelp(storePath: string): string {
  return `Put back the key file that belongs to ${storePath}; if it is lost, move the store away (what it holds cannot be read without the key) and start again`
}

function makeKey(keyFile: string): KeyObject {
  const bytes = randomBytes(KEY_BYTES)
  try {
    mkdirSync(dirname(keyFile), { recursive: true, mode: 0o700 })
    // Under its own name only when it is whole: half a key after a power cut would look like a wrong one.
    const draft = `${keyFile}.new`
    writeDurably(draft, bytes)
    renameSync(draft, keyFile)
    syncFolder(dirname(keyFile))
  } catch (cause) {
    throw new BioTrakrError(`Cannot make the key file ${keyFile}`, {
      code: 'OUTBOX_KEY',
      cause,
      next: 'Give the agent a folder that it may write to',
    })
  }
  return createSecretKey(bytes)
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'w', 0o600)
  try {
    writeSync(file, bytes)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** A new or renamed file is durable only when its folder is. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
