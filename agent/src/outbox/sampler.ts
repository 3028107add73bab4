/** Deflate looks back 32 kB: half of it stays for the group itself. */
export const MAX_DICTIONARY_BYTES = 16_384
/** Of one group: names and most columns stand at its start, evidence at its end. */
const HEAD_BYTES = 8192
/** What an epoch must have stored before its first dictionary: the first group after a start is unlike those behind it. */
const FIRST_GROUPS = 8
const FIRST_SAMPLE_BYTES = 4096
/** A dictionary takes 4 kB as a rule: in less than this it is not worth another one. */
const LEAST_BYTES = 512 * 1024
/** Stored bytes after which a new one is made in any case, so that a damaged one never takes much along. */
const MOST_BYTES = 8 * 1024 * 1024
/** Stored bytes over which compression is judged, and how much worse than at first it may become. */
const JUDGED_BYTES = 64 * 1024
const WORSE = 1.2

interface Tally {
  raw: number
  packed: number
}

/** Watches what is stored, and proposes dictionaries made of the newest groups. */
export interface Sampler {
  /** A group was stored: its encoded bytes, and the size of its blob. */
  note(raw: Uint8Array, packedBytes: number): void
  /** A dictionary that should be made now, or undefined. */
  due(): Uint8Array | undefined
  /** The proposed dictionary is in force. */
  renewed(): void
}

/** For one epoch. */
export function createSampler(): Sampler {
  let heads: Uint8Array[] = []
  let headBytes = 0
  let groups = 0
  let hasDictionary = false
  let since: Tally = { raw: 0, packed: 0 }
  let atFirst: Tally | undefined
  let newest: Tally = { raw: 0, packed: 0 }
  let isWorse = false

  function judge(): void {
    if (newest.packed < JUDGED_BYTES) return
    if (atFirst) isWorse = newest.packed / newest.raw > (WORSE * atFirst.packed) / atFirst.raw
    else atFirst = newest
    newest = { raw: 0, packed: 0 }
  }

  function isDue(): boolean {
    if (!hasDictionary) return groups >= FIRST_GROUPS && headBytes >= FIRST_SAMPLE_BYTES
    return since.packed >= MOST_BYTES || (isWorse && since.packed >= LEAST_BYTES)
  }

  return {
    note(raw, packedBytes) {
      groups++
      const head = raw.slice(0, HEAD_BYTES)
      heads.push(head)
      headBytes += head.length
      while (headBytes > MAX_DICTIONARY_BYTES) headBytes -= heads.shift()?.length ?? 0
      for (const tally of [since, newest]) {
        tally.raw += raw.length
        tally.packed += packedBytes
      }
      judge()
    },
    // The newest stands last, because near bytes are referred to in fewer bits than far ones.
    due: () => (isDue() ? Buffer.concat(heads) : undefined),
    renewed() {
      hasDictionary = true
      heads = []
      headBytes = 0
      since = { raw: 0, packed: 0 }
      atFirst = undefined
      newest = { raw: 0, packed: 0 }
      isWorse = false
    },
  }
}
