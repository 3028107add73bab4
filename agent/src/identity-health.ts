import type { RenewalStatus } from './upkeep/renewal.ts'

interface Health {
  readonly ok: boolean
  readonly problems: readonly { readonly code: string; readonly message: string; readonly next: string }[]
}

/** A renewal that fails early has weeks to succeed by itself; with so little left a person should look. */
const WORRY_MS = 10 * 86_400_000

/** What the agent says of itself, with its certificate. */
export function withIdentity<H extends Health>(
  health: H,
  status: RenewalStatus | undefined,
  nowMs: number,
): H & { readonly certificate?: RenewalStatus } {
  if (status === undefined) return health
  const { untilMs, hasExpired, problem } = status
  const isWorrying = hasExpired || (problem !== undefined && untilMs - nowMs < WORRY_MS)
  if (!isWorrying) return { ...health, certificate: status }
  const day = new Date(untilMs).toISOString().slice(0, 10)
  const why = problem === undefined ? '' : `; the last renewal failed: ${problem}`
  const trouble = {
    code: hasExpired ? 'CERTIFICATE_EXPIRED' : 'CERTIFICATE_ENDING',
    message: `the certificate of this gateway ${hasExpired ? 'expired' : 'ends'} on ${day}${why}`,
    next: 'Check that `biotrakr-cloud enroll` runs and can be reached from here; else enrol again with a code.',
  }
  return { ...health, ok: false, problems: [...health.problems, trouble], certificate: status }
}
