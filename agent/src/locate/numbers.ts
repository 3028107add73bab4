/** Element of an array of numbers that the caller knows to be there; one shape each, so that the engine inlines it. */
export function at(array: Float64Array, index: number): number {
  return array[index] as number
}

export function indexAt(array: Int32Array, index: number): number {
  return array[index] as number
}

export function add(array: Float64Array, index: number, value: number): void {
  array[index] = (array[index] as number) + value
}

export function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max)
}
