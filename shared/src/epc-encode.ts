import { hexOf } from './bytes.ts'
import { BitWriter, type EpcFault, type EpcRefusal } from './epc-bits.ts'
import { splitTexts, writeField } from './epc-fields.ts'
import { fieldsOfValue, type ParsedLink, parseLink, valueOfFields } from './epc-link.ts'
import { writeLinkScheme } from './epc-link-binary.ts'
import { type GsKey, LINK_SCHEMES, type LinkScheme, URN_SCHEMES, type UrnScheme } from './epc-schemes.ts'
import { unescapeUri } from './epc-text.ts'

export interface EncodeEpcOptions {
  /** For example `SGTIN-198` or `GIAI+`; by default what the URI says, or the shortest that can carry it. */
  readonly scheme?: string
  /** Kind of object, 0-7 (USDOD 0-15, ADI 0-63); 0 by default, or what a tag URI says. */
  readonly filter?: number
  /** 6-12: where a GS1 Digital Link goes into a scheme that splits the key. */
  readonly companyPrefixLength?: number
}

export interface EncodedEpc {
  readonly ok: true
  readonly scheme: string
  /** Lower case, in whole 16-bit words as tags store them. */
  readonly hex: string
}

export interface UnencodedEpc {
  readonly ok: false
  readonly code: EpcRefusal
  readonly why: string
}

/** What a URI says, whatever its form. */
interface Identity {
  readonly candidates: readonly (UrnScheme | LinkScheme)[]
  readonly filter?: number
  fieldsOf(scheme: UrnScheme): readonly string[] | undefined
  linkOf(key: GsKey): Omit<ParsedLink, 'gs'> | undefined
}

/**
 * Writes an EPC for a tag; nothing is thrown.
 *
 * @param uri pure identity URI, tag URI or GS1 Digital Link (whole or its path). A link with another host than id.gs1.org
 * takes a `++` scheme, one with a date DSGTIN, others a `+` scheme, unless the options name one.
 */
export function encodeEpc(uri: string, options: EncodeEpcOptions = {}): EncodedEpc | UnencodedEpc {
  const identity = uri.startsWith('urn:') ? identityOfUrn(uri) : identityOfLink(uri, options.companyPrefixLength)
  if ('why' in identity) return { ok: false, ...identity }
  const schemes = options.scheme === undefined ? identity.candidates : schemesNamed(options.scheme)
  let result: EncodedEpc | UnencodedEpc = {
    ok: false,
    code: 'uri',
    why: `no scheme ${options.scheme ?? 'for this URI'}`,
  }
  for (const scheme of schemes) {
    result = encodeAs(scheme, identity, options.filter ?? identity.filter ?? 0)
    if (result.ok) return result
  }
  return result
}

function schemesNamed(name: string): (UrnScheme | LinkScheme)[] {
  return [...URN_SCHEMES, ...LINK_SCHEMES].filter((scheme) => scheme.name.toLowerCase() === name.toLowerCase())
}

function encodeAs(scheme: UrnScheme | LinkScheme, identity: Identity, filter: number): EncodedEpc | UnencodedEpc {
  const writer = new BitWriter()
  if (!Number.isInteger(filter) || filter < 0) writer.fail('value', `${filter} is no filter`)
  writer.number(scheme.header, 8)
  if ('fields' in scheme) writeUrnScheme(writer, scheme, { fields: identity.fieldsOf(scheme), filter })
  else {
    const content = identity.linkOf(scheme.key)
    if (content) writeLinkScheme(writer, scheme, { ...content, filter })
    else writer.fail('uri', `the URI is no ${scheme.name}`)
  }
  if (writer.fault) return { ok: false, ...writer.fault }
  return { ok: true, scheme: scheme.name, hex: hexOf(writer.words()) }
}

function writeUrnScheme(
  writer: BitWriter,
  scheme: UrnScheme,
  { fields, filter }: { fields: readonly string[] | undefined; filter: number },
): void {
  if (!fields) {
    writer.fail('uri', `the URI is no ${scheme.name}, or the length of the company prefix is not given`)
    return
  }
  writer.number(filter, scheme.filterBits)
  let at = 0
  for (const field of scheme.fields) at += writeField(writer, field, fields.slice(at))
  if (at !== fields.length) writer.fail('uri', `${fields.length} fields where ${scheme.name} has ${at}`)
}

function identityOfUrn(uri: string): Identity | EpcFault {
  const [, kind, name = '', rest = ''] = /^urn:epc:(id|tag):([a-z0-9-]+):(.*)$/.exec(uri) ?? []
  const candidates = URN_SCHEMES.filter(
    (scheme) => (kind === 'id' && scheme.urn === name) || (kind === 'tag' && scheme.name.toLowerCase() === name),
  )
  const [scheme] = candidates
  if (!scheme) return { code: 'uri', why: 'no EPC URI of a scheme that tags carry' }
  const filtered = kind === 'tag' && scheme.filterBits > 0
  const [, filter, parts = ''] = filtered ? (/^(\d{1,2})\.(.*)$/.exec(rest) ?? []) : [rest, undefined, rest]
  const fields = fieldsOfUri(parts, scheme)
  if (!fields || (filtered && filter === undefined)) return { code: 'uri', why: `not the fields of ${scheme.name}` }
  return {
    candidates,
    ...(filter !== undefined && { filter: Number(filter) }),
    fieldsOf: ({ urn }) => (urn === scheme.urn ? fields : undefined),
    linkOf: (key) => (scheme.key === key ? { value: valueOfFields(key, fields) } : undefined),
  }
}

function fieldsOfUri(text: string, scheme: UrnScheme): string[] | undefined {
  const fields = splitTexts(text, scheme.texts)?.map(unescapeUri)
  return fields?.includes(undefined) ? undefined : (fields as string[] | undefined)
}

function identityOfLink(uri: string, companyDigits: number | undefined): Identity | EpcFault {
  const link = parseLink(uri)
  if ('why' in link) return link
  const { gs, value } = link
  const candidates = LINK_SCHEMES.filter(
    ({ key, dated, hosted }) =>
      key === gs && dated === (link.date !== undefined) && hosted === (link.host !== undefined),
  )
  return {
    candidates,
    fieldsOf: ({ key }) => (key === gs && companyDigits ? fieldsOfValue(gs, value, companyDigits) : undefined),
    linkOf: (key) => (key === gs ? link : undefined),
  }
}
