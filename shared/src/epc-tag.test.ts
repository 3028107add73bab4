import { describe, expect, it } from 'vitest'

import { encodeEpc } from './epc-encode.ts'
import { isPersonalTag, tagIdFromEpc } from './epc-tag.ts'
import { isTagId } from './tag-identity.ts'

function hexOfUri(uri: string): string {
  return (encodeEpc(uri) as { hex: string }).hex
}

const tagIdFromEpcAlone = (hex: string) => tagIdFromEpc(hex)?.tag

describe('tagIdFromEpc', () => {
  it.each([
    ['3074257BF7194E4000001A85', undefined, 'epc:urn:epc:id:sgtin:0614141.812345.6789'],
    ['3074257BF7194E4000001A85DEAD', 0x3000, 'epc:urn:epc:id:sgtin:0614141.812345.6789'],
    ['FA3952114132E83C2BF10', undefined, 'epc:https://id.gs1.org/8004/952114132a%2Fb'],
    ['E20010710000529B0940B402', 0x3000, 'epc:e20010710000529b0940b402'],
    ['3074257BF7194E4000001A85', 0x30a1, 'epc:urn:epc:id:sgtin:0614141.812345.6789'],
    ['3074257BF7194E4000001A85', 0x31a1, 'epc:3074257bf7194e4000001a85'],
    ['303C83F1B7DD441678901234', undefined, 'epc:303c83f1b7dd441678901234'],
  ])('of %s with PC %s is %s', (hex, pc, tag) => {
    expect(tagIdFromEpc(hex, pc)).toEqual({ tag, personal: false })
    expect(isTagId(tag)).toBe(true)
  })

  it('marks the tags of patients and staff', () => {
    expect(tagIdFromEpc('2D76451FD4499602D2000000')?.personal).toBe(true)
    expect(tagIdFromEpc('F53952114112345678906')?.personal).toBe(true)
    const tags = ['2D76451FD4499602D2000000', 'F53952114112345678906', '3074257BF7194E4000001A85'].map(
      tagIdFromEpcAlone,
    )
    expect(tags.map((tag) => tag && isPersonalTag(tag))).toEqual([true, true, false])
  })

  it('does not tell two host names or filters of one key apart', () => {
    const tags = ['https://a.example/8004/4012345A7', 'https://b.example/8004/4012345A7'].map(hexOfUri)
    expect(tags[0]).not.toBe(tags[1])
    expect(tagIdFromEpc(tags[0] ?? '')).toEqual(tagIdFromEpc(tags[1] ?? ''))
  })

  it('takes the hex where the URI is too long, cut to the length of the PC word', () => {
    const slashes = '%2F'.repeat(30)
    const hex = hexOfUri(`urn:epc:id:adi:35962.${slashes}.${slashes}`)
    const pc = (hex.length / 4) << 11
    expect(tagIdFromEpc(`${hex}0000`, pc)).toEqual({ tag: `epc:${hex}`, personal: false })
    expect(isTagId(`epc:${hex}`)).toBe(true)
  })

  it.each(['', 'x', 'epc', '00'.repeat(63)])('is nothing for %j', (text) => {
    expect(tagIdFromEpc(text)).toBeUndefined()
  })
})
