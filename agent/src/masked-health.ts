import type { AgentHealth } from './health.ts'
import type { MaskedReceiver } from './locate/explain.ts'

/** What the agent says of itself, with the receivers that nothing is concluded from and the rooms that suffer. */
export interface HealthWithMasked extends AgentHealth {
  readonly masked: readonly MaskedReceiver[]
}

/** A receiver that is left out needs a person: its rooms are answered from their neighbours alone. */
export function withMasked(health: AgentHealth, masked: readonly MaskedReceiver[]): HealthWithMasked {
  const problems = masked.map(({ receiver, why, rooms }) => {
    const cause = why === 'down' ? 'is reported down' : 'is silent although tags are near'
    const affected = rooms.length > 0 ? `; answers for ${rooms.join(', ')} rest on other rooms' receivers` : ''
    return {
      code: 'RECEIVER_MASKED',
      message: `receiver ${receiver} ${cause} and left out${affected}`,
      next: 'Check its power and its link; it is taken back by itself when it hears tags again.',
    }
  })
  return { ...health, ok: health.ok && masked.length === 0, problems: [...health.problems, ...problems], masked }
}
