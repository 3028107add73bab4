import type { Driver } from '@biotrakr/firmware-profiles'

/** How a serial line is set; what a network connection cannot set it ignores. */
export type LineSettings = Pick<Driver['serial'], 'dataBits' | 'parity' | 'stopBits' | 'flow' | 'dtr' | 'rts'> & {
  readonly baud: number
}

export interface PortEvents {
  /** Bytes as they came, cut anywhere. */
  bytes(bytes: Uint8Array): void
  /** The line is gone; called once at most, never after `close`, and nothing follows it. */
  closed(why: string): void
  /** Something that does not keep the line from working. */
  warning(text: string): void
}

/** An open line to a reader. */
export interface Port {
  /** @returns false when the line takes no more: then none of these bytes will be sent */
  write(bytes: Uint8Array): boolean
  /** @throws when the line cannot have this rate */
  setBaud(baud: number): Promise<void>
  /** Ends it. No event comes afterwards. Never rejects. */
  close(): Promise<void>
}

/** @throws BioTrakrError PORT_MISSING, PORT_DENIED, PORT_LOCKED, PORT_FAILED or PORT_UNREACHABLE */
export type OpenPort = (line: LineSettings, events: PortEvents, signal: AbortSignal) => Promise<Port>

/** Bytes that may wait to be sent: many times what a command is, and little enough to notice a line that takes none. */
export const MAX_QUEUED_BYTES = 16_384
