/** What a recall says of the devices that it concerns. */
export interface RecallRule {
  readonly manufacturer: string | null
  readonly udi_dis: readonly string[]
  readonly model_nos: readonly string[]
  readonly lot_from: string | null
  readonly lot_to: string | null
  readonly serial_rule: SerialRule | null
}

/** Serial numbers concerned: those within the range, those that begin so, and those listed. */
interface SerialRule {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly prefixes?: readonly string[] | undefined
  readonly list?: readonly string[] | undefined
}

/** What is known of an asset. */
export interface Candidate {
  readonly manufacturer: string | null
  readonly model_no: string | null
  readonly udi_di: string | null
  /** As registered and as its UDI says. */
  readonly lots: readonly string[]
  readonly serials: readonly string[]
}

/**
 * By what a recall concerns an asset: its UDI-DI, else manufacturer and model, else the manufacturer alone where the recall
 * names no model or the asset's is not known. A lot or serial number that is known and not concerned clears it; one that is
 * not known does not.
 * @returns undefined when it does not concern it
 */
export function matchedBy(rule: RecallRule, asset: Candidate): 'udi' | 'model' | 'manufacturer' | undefined {
  const way = identityMatch(rule, asset)
  if (way === undefined) return undefined
  const { lot_from, lot_to, serial_rule } = rule
  if (lot_from !== null || lot_to !== null) {
    const isIn = (lot: string) => isBetween(lot, { from: lot_from, to: lot_to })
    if (asset.lots.length > 0 && !asset.lots.some(isIn)) return undefined
  }
  if (serial_rule && asset.serials.length > 0 && !asset.serials.some((serial) => isListed(serial, serial_rule))) {
    return undefined
  }
  return way
}

function identityMatch(rule: RecallRule, asset: Candidate): 'udi' | 'model' | 'manufacturer' | undefined {
  if (asset.udi_di !== null && rule.udi_dis.includes(asset.udi_di)) return 'udi'
  if (rule.manufacturer === null || asset.manufacturer === null) return undefined
  if (plain(rule.manufacturer) !== plain(asset.manufacturer)) return undefined
  const model = asset.model_no
  if (model !== null && rule.model_nos.some((named) => plain(named) === plain(model))) return 'model'
  const namesNone = rule.model_nos.length === 0 && rule.udi_dis.length === 0
  const isUnclear = rule.model_nos.length > 0 && model === null && asset.udi_di === null
  return namesNone || isUnclear ? 'manufacturer' : undefined
}

/** Labels write the same thing with other letters, spaces and hyphens. */
function plain(words: string): string {
  return words
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s._/-]+/g, '')
}

function isListed(serial: string, { from, to, prefixes = [], list = [] }: SerialRule): boolean {
  const own = plain(serial)
  if (list.some((each) => plain(each) === own) || prefixes.some((start) => own.startsWith(plain(start)))) return true
  return (from !== undefined || to !== undefined) && isBetween(serial, { from: from ?? null, to: to ?? null })
}

interface Range {
  readonly from: string | null
  readonly to: string | null
}

function isBetween(value: string, { from, to }: Range): boolean {
  return (from === null || compareCodes(from, value) <= 0) && (to === null || compareCodes(value, to) <= 0)
}

/** Runs of digits as numbers, so that A9 comes before A10. @returns below 0, 0 or above 0 */
export function compareCodes(left: string, right: string): number {
  const [a, b] = [left, right].map((code) => plain(code).match(/\d+|\D+/g) ?? [])
  for (const [i, one] of (a ?? []).entries()) {
    const other = b?.[i]
    if (other === undefined) return 1
    const order = compareRuns(one, other)
    if (order !== 0) return order
  }
  return (a?.length ?? 0) - (b?.length ?? 0)
}

function compareRuns(one: string, other: string): number {
  const areNumbers = /^\d/.test(one) && /^\d/.test(other)
  if (!areNumbers) return one < other ? -1 : one > other ? 1 : 0
  const difference = BigInt(one) - BigInt(other)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
