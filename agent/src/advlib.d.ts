/** advlib has no types of its own; these are what the cross-check and its measurement use. */
declare module 'advlib' {
  interface Processor {
    readonly processor: unknown
    readonly libraries: readonly unknown[]
    readonly options: { readonly isPayloadOnly: boolean }
  }
  const advlib: { process(data: Uint8Array, processors: readonly Processor[]): Record<string, unknown> | null }
  export = advlib
}
declare module 'advlib-ble' {
  const processor: object
  export = processor
}
declare module 'advlib-ble-services' {
  const library: object
  export = library
}
declare module 'advlib-ble-manufacturers' {
  const library: object
  export = library
}
