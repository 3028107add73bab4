/** Stable codes: logs, runbooks and tests name them, so a code is never renamed or re-used for something else. */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'CONFIG_UNREADABLE'
  | 'DATASET_INVALID'
  | 'DATASET_UNREADABLE'
  | 'CAPTURE_UNREADABLE'
  | 'CAPTURE_UNWRITABLE'
  | 'CALIBRATION_INVALID'
  | 'SURVEY_IN_USE'
  | 'SURVEY_JOURNAL'
  | 'SURVEY_NO_SIGNAL'
  | 'BLE_UNSUPPORTED'
  | 'BLE_NO_ADAPTER'
  | 'BLE_ADAPTER_DOWN'
  | 'BLE_BLOCKED'
  | 'BLE_FORBIDDEN'
  | 'BLE_REFUSED'
  | 'BLE_SILENT'
  | 'BLE_DRIVER'
  | 'BLE_CRASHED'
  | 'BLE_UNTAPPED'
  | 'OUTBOX_OPEN'
  | 'OUTBOX_DAMAGED'
  | 'OUTBOX_FULL'
  | 'OUTBOX_KEY'
  | 'OUTBOX_SCHEMA'
  | 'SYNC_REFUSED'
  | 'SYNC_PUBLISH_DENIED'
  | 'SYNC_NO_ACK'
  | 'SYNC_SUBSCRIBE_DENIED'
  | 'SYNC_BROKER_LIMIT'
  | 'SYNC_TWIN'
  | 'GATEWAY_UNKNOWN'
  | 'BROKER_UNREACHABLE'
  | 'BROKER_REFUSED'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_PRIVILEGE'
  | 'MIGRATION_FAILED'
  | 'MIGRATION_CHANGED'
  | 'SITE_INVALID'
  | 'SITE_UNKNOWN'
  | 'SITE_SIGNATURE'
  | 'SITE_OUTDATED'
  | 'SITE_UNREACHABLE'
  | 'RELEASE_INVALID'
  | 'RELEASE_REFUSED'
  | 'RELEASE_UNREACHABLE'
  | 'RELEASE_UNHEALTHY'
  | 'UPDATE_IN_USE'
  | 'PROFILE_INVALID'
  | 'PROFILE_PARAMETER'
  | 'AUTHORITY_INVALID'
  | 'CERTIFICATE_REQUEST'
  | 'ENROL_CODE'
  | 'ENROL_REFUSED'
  | 'ENROL_UNREACHABLE'
  | 'ENROL_UNTRUSTED'
  | 'IDENTITY_INVALID'
  | 'NOT_FOUND'
  | 'INPUT_INVALID'
  | 'CONFLICT'
  | 'ROW_VERSION'
  | 'NOT_ALLOWED'
  | 'BACKUP_FAILED'
  | 'BACKUP_DAMAGED'
  | 'BACKUP_KEY'
  | 'RESTORE_FAILED'
  | 'KEY_INVALID'
  | 'UNAUTHENTICATED'
  | 'OVERLOADED'
  | 'AGENT_REFUSED'
  | 'PORT_IN_USE'
  | 'PORT_ADDRESS'
  | 'PORT_MISSING'
  | 'PORT_DENIED'
  | 'PORT_LOCKED'
  | 'PORT_FAILED'
  | 'PORT_UNREACHABLE'
  | 'READER_SETTINGS'
  | 'DATA_IN_USE'
  | 'CHILD_FAILED'
  | 'USAGE'

interface Details {
  readonly code: ErrorCode
  /** One sentence: what the reader of this message should do now. */
  readonly next: string
  readonly cause?: unknown
  /** For programs: what the message says, as data. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** The one error type. Its message says what failed; `next` says what to do; `code` never changes. */
export class BioTrakrError extends Error {
  readonly code: ErrorCode
  readonly next: string
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(message: string, { code, next, cause, details }: Details) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'BioTrakrError'
    this.code = code
    this.next = next
    this.details = details
  }
}

/** For a person: what failed, the cause beneath it, the next step and the code. One line, unless the message has more. */
export function explainError(error: unknown): string {
  if (error instanceof BioTrakrError) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
    const join = error.message.includes('\n') ? '\n' : '. '
    return `${error.message}${cause}${join}${error.next} [${error.code}]`
  }
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
