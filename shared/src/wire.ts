import type { GatewayId } from './ids.ts'
import type { Batch, Epoch, Fix } from './model.ts'

export interface Compression {
  /** Raw deflate (RFC 1951), level 1. */
  deflate(bytes: Uint8Array): Uint8Array
  /** @returns undefined when the bytes are not raw deflate or would inflate beyond `maxBytes`; never throws */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array | undefined
}

export type WireCode =
  | 'WIRE_TOO_LARGE'
  | 'WIRE_TRUNCATED'
  | 'WIRE_MAGIC'
  | 'WIRE_VERSION'
  | 'WIRE_CRC'
  | 'WIRE_INFLATE'
  | 'WIRE_CONTENT'
  | 'WIRE_RUN'

/** The run a rejected batch declared; only present when the checksum held, so that it can be believed. */
export interface Run {
  readonly gateway: GatewayId
  readonly epoch: Epoch
  readonly first: number
  readonly last: number
}

export type BatchVerdict =
  | { readonly ok: true; readonly batch: Batch }
  | { readonly ok: false; readonly code: WireCode; readonly detail: string; readonly run?: Run }

export declare function encodeBatch(batch: Batch, compression: Compression): Uint8Array
export declare function decodeBatch(bytes: Uint8Array, compression: Compression): BatchVerdict
export type LiveVerdict =
  | { readonly ok: true; readonly gateway: GatewayId; readonly fixes: readonly Fix[] }
  | { readonly ok: false; readonly code: WireCode; readonly detail: string }
export declare function encodeLive(gateway: GatewayId, fixes: readonly Fix[], compression: Compression): Uint8Array
export declare function decodeLive(bytes: Uint8Array, compression: Compression): LiveVerdict
