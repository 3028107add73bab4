import { z } from 'zod'

import { parseEpoch } from './model.ts'

/**
 * The small JSON messages beside the batches: what an agent says when it connects (`up/hello`), its birth and last will
 * (`up/state`, retained) and what the centre answers (`down/ack`). Unknown keys are ignored, so that an older agent
 * understands a newer centre.
 */
const epochText = z.string().refine((text) => parseEpoch(text) !== undefined)
const seq = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

const helloSchema = z.object({
  software: z.string().max(64),
  /** Nonce of the open store: two boxes with one identity show two nonces. */
  store: z.string().min(1).max(64),
  /** The present opening of the store: two copies of one store that are open at once show two openings. */
  opening: epochText.optional(),
  /** Stays the same when a box has to begin a new store: a digest of something that only this box has. */
  box: z.string().min(1).max(64).optional(),
  /** Every epoch of which the store still holds records, oldest first. */
  epochs: z.array(z.object({ epoch: epochText, first: seq, last: seq })).max(10_000),
})
export type Hello = z.infer<typeof helloSchema>

const stateSchema = z.object({ online: z.boolean(), software: z.string().max(64).optional() })
export type GatewayState = z.infer<typeof stateSchema>

const quarantinedRun = z.object({ first: seq, last: seq, code: z.string().max(64) })
/** Whose hello is answered: a box of the same name that is connected instead must not take it for its own. */
const addressee = { store: z.string().max(64).optional(), opening: epochText.optional() }

const downSchema = z.discriminatedUnion('type', [
  /** Everything of the epoch up to and including `hw` is committed in the database (or in its quarantine). */
  z.object({
    type: z.literal('ack'),
    epoch: epochText,
    hw: seq,
    quarantined: z.array(quarantinedRun).max(10_000),
    serverTimeMs: z.number(),
  }),
  /** The centre is at `need - 1`: send again from there. */
  z.object({ type: z.literal('nack'), epoch: epochText, need: seq }),
  /** Answer to a hello: the committed sequence number of each epoch named there. */
  z.object({
    type: z.literal('welcome'),
    ...addressee,
    epochs: z.array(z.object({ epoch: epochText, hw: seq })).max(10_000),
    /** Wall time of the centre when it answered, for boxes whose own clock is not set. */
    serverTimeMs: z.number().optional(),
    /** Records of this gateway that wait in quarantine, and the newest runs of them. */
    quarantined: z
      .object({ total: seq, runs: z.array(quarantinedRun.extend({ epoch: epochText })).max(1_000) })
      .optional(),
  }),
  /** Nothing of this gateway is taken until a person acts. The agent keeps its data and says so. */
  z.object({ type: z.literal('refuse'), ...addressee, code: z.string().max(64), detail: z.string().max(500) }),
])
export type DownMessage = z.infer<typeof downSchema>
export type Ack = Extract<DownMessage, { type: 'ack' }>

function read<T>(schema: z.ZodType<T>, payload: string): T | undefined {
  let value: unknown
  try {
    value = JSON.parse(payload)
  } catch {
    return undefined
  }
  const result = schema.safeParse(value)
  return result.success ? result.data : undefined
}

/** @returns undefined for anything that is not a well-formed hello; never throws */
export const parseHello = (payload: string): Hello | undefined => read(helloSchema, payload)
/** @returns undefined for anything that is not a well-formed state message; never throws */
export const parseGatewayState = (payload: string): GatewayState | undefined => read(stateSchema, payload)
/** @returns undefined for anything that is not a well-formed answer of the centre; never throws */
export const parseDownMessage = (payload: string): DownMessage | undefined => read(downSchema, payload)
