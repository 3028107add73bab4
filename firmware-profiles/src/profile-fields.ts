/** A number as profiles write it; in hexadecimal as a string ("0x22"), because manuals print it so. */
export type Num = number | string

export type Endian = 'big' | 'little'

/** A condition on a named field: equal, one of, these bits, bounds, one of some texts, or that it was read at all. */
export type CondSpec =
  | Num
  | readonly Num[]
  | { readonly mask: Num; readonly eq?: Num }
  | { readonly min?: Num; readonly max?: Num }
  | { readonly text: readonly string[] }
  | { readonly present: boolean }

export type Conditions = Readonly<Record<string, CondSpec>>

export type IntType = 'u8' | 'u16' | 'u24' | 'u32' | 'u64' | 's8' | 's16' | 's32'

/** How many bytes: a number, a field's value, or all but the last n of what is left. */
export type SizeSpec =
  | number
  | { readonly ref: string; readonly unit?: 'bytes' | 'words' | 'bits'; readonly add?: number }
  | { readonly toEnd: number }

/** How a number becomes a value: mask, shift, then map, or scale and offset. */
export interface NumberRules {
  readonly mask?: Num
  /** Bits to the right, after the mask. */
  readonly shift?: number
  readonly scale?: number
  readonly offset?: number
  /** Value to what it means; a value not in the map stays a number. */
  readonly map?: Readonly<Record<string, string | number>>
  /** `hex`: shown as padded hexadecimal; `0x`: the same with the prefix. */
  readonly format?: 'number' | 'hex' | '0x'
}

interface FieldBase {
  readonly name?: string
  readonly doc?: string
  /** Present only if the named field fits. */
  readonly if?: Conditions
  /** Read, but not shown among the fields. */
  readonly hidden?: boolean
}

export interface IntField extends FieldBase, NumberRules {
  readonly type: IntType
  readonly endian?: Endian
  readonly default?: Num
}

/** Reads nothing: another view of a number that was read before. */
export interface DerivedField extends FieldBase, NumberRules {
  readonly type: 'derived'
  readonly from: string
}

export interface BytesField extends FieldBase {
  readonly type: 'hex' | 'ascii'
  readonly size: SizeSpec
  readonly default?: string
}

/** Fields inside a stretch of the body of a known size. */
export interface GroupField extends FieldBase {
  readonly type: 'group'
  readonly size?: SizeSpec
  readonly fields: readonly FieldSpec[]
}

/** The same fields again and again; `name` gets the list. */
export interface RepeatField extends FieldBase {
  readonly type: 'repeat'
  /** A field that says how often; without it until the body ends. */
  readonly count?: string
  readonly fields: readonly FieldSpec[]
}

/** Fields that are there if their bit is set in an earlier field, in the order given. */
export interface FlaggedField extends FieldBase {
  readonly type: 'flagged'
  readonly flags: string
  readonly items: readonly { readonly flag: Num; readonly fields: readonly FieldSpec[] }[]
}

/** A list of id, perhaps length, and value, to the end of the body. */
export interface TlvField extends FieldBase {
  readonly type: 'tlv'
  readonly id: { readonly type: IntType; readonly endian?: Endian }
  /** Length of the value; without it every id must be known. */
  readonly length?: { readonly type: IntType; readonly endian?: Endian; readonly add?: number }
  readonly items: Readonly<Record<string, readonly FieldSpec[]>>
}

/** One column of a text line. */
export interface ColumnField extends FieldBase {
  readonly type: 'column'
  readonly index: number
  readonly as: 'text' | 'hex' | 'number'
}

/** One member of a JSON line; `path` goes down by dots. */
export interface JsonField extends FieldBase {
  readonly type: 'json'
  readonly path: string
  readonly as: 'text' | 'hex' | 'number'
}

export type FieldSpec =
  | IntField
  | DerivedField
  | BytesField
  | GroupField
  | RepeatField
  | FlaggedField
  | TlvField
  | ColumnField
  | JsonField
