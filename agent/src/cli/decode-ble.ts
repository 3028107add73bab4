import { BioTrakrError } from '@biotrakr/shared'

import { type Description, describeAdvert } from '../sources.ts'

export interface BleDecodeOptions {
  readonly address?: string
  readonly key?: string
  readonly irk?: string
}

/** @throws BioTrakrError USAGE when an option is not what it must be */
export function decodeBle({
  address,
  key,
  irk,
}: BleDecodeOptions): (text: string | undefined) => Description | undefined {
  const sender =
    address && hexOption('--address', address.replaceAll(/[:-]/g, ''), { bytes: 6, like: 'c3:00:00:12:34:56' })
  const opening = key && hexOption('--key', key, { bytes: 16, like: '00112233445566778899aabbccddeeff' })
  const resolving = irk && hexOption('--irk', irk, { bytes: 16, like: '00112233445566778899aabbccddeeff' })
  const options = {
    ...(sender && { address: sender }),
    ...(opening && { key: opening }),
    ...(resolving && { irk: resolving }),
  }
  return (text) => {
    if (text === undefined) return { format: null, why: 'the line is too long' }
    const digits = text.replaceAll(/\s/g, '')
    if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) return { format: null, why: 'is not whole bytes in hex' }
    return describeAdvert(Buffer.from(digits, 'hex'), options)
  }
}

function hexOption(
  name: string,
  text: string,
  { bytes, like }: { readonly bytes: number; readonly like: string },
): Buffer {
  const value = Buffer.from(text, 'hex')
  if (value.length === bytes && text.length === 2 * bytes) return value
  throw new BioTrakrError(`${name} is not ${bytes} bytes in hex`, { code: 'USAGE', next: `Write it like ${like}.` })
}
