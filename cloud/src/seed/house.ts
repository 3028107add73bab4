/** A facility as it is to be made. */
export interface HousePlan {
  readonly org: { readonly slug: string; readonly name: string }
  readonly facility: { readonly code: string; readonly name: string; readonly timeZone: string }
  readonly buildings: number
  readonly floors: number
  /** Rooms besides corridors, over all floors. */
  readonly rooms: number
  readonly beds: number
  readonly gateways: number
  readonly tags: readonly SeedTag[]
}

export interface SeedTag {
  readonly identity: string
  readonly kind: 'ble' | 'ble_sensor' | 'rfid_uhf' | 'badge'
  readonly label: string
}

/** What a site file would hold; the names of its lists are those of the file. */
export type House = ReturnType<typeof planHouse>

const ROOMS_PER_CORRIDOR = 10
/** Of every forty rooms, in the order in which they lie along the corridors. */
const KINDS = [
  ...Array.from({ length: 23 }, () => 'patient' as const),
  ...(['icu', 'icu', 'icu', 'operating', 'recovery', 'imaging', 'lab', 'storage', 'storage'] as const),
  ...([
    'clean_utility',
    'dirty_utility',
    'nurse_station',
    'nurse_station',
    'workshop',
    'dock',
    'other',
    'other',
  ] as const),
]
const DEPARTMENTS = [
  ['BME', 'Biomedical Engineering'],
  ['RAD', 'Radiology'],
  ['OR', 'Operating Rooms'],
  ['ED', 'Emergency'],
  ['ICU', 'Intensive Care'],
  ['CSSD', 'Sterile Services'],
  ['LOG', 'Logistics'],
  ['IT', 'Information Technology'],
  ['LAB', 'Laboratory'],
  ['MED', 'Internal Medicine'],
  ['SUR', 'Surgery'],
  ['PED', 'Paediatrics'],
  ['OBS', 'Obstetrics'],
  ['CAR', 'Cardiology'],
] as const
const WARDS = ['MED', 'SUR', 'PED', 'OBS', 'CAR'] as const
const OF_KIND: Readonly<Record<string, string>> = {
  icu: 'ICU',
  operating: 'OR',
  recovery: 'OR',
  imaging: 'RAD',
  lab: 'LAB',
}

/** A house that one can walk through: corridors in a row on each floor, rooms along them, lifts between the floors. */
export function planHouse(plan: HousePlan) {
  const prefix = plan.facility.code.slice(0, 1).toUpperCase()
  const floors = Array.from({ length: plan.floors }, (_, n) => floorOf(plan, n))
  const corridors = floors.flatMap((floor) => corridorsOf(plan, floor, prefix))
  const rooms = corridors.flatMap(({ rooms: own }) => own)
  const places = [...corridors.map(({ corridor }) => corridor), ...rooms]
  return {
    org: plan.org,
    facility: plan.facility,
    buildings: Array.from({ length: plan.buildings }, (_, n) => ({
      code: `${prefix}${n + 1}`,
      name: `Building ${n + 1}`,
    })),
    floors: floors.map(({ code, building, level }) => ({ code, building, level, name: `Level ${level}` })),
    departments: DEPARTMENTS.map(([code, name], n) => ({ code, name, costCenter: String(4_000 + n) })),
    rooms: places,
    beds: bedsOf(plan.beds, rooms),
    zones: zonesOf(floors, corridors),
    doors: doorsOf(floors, corridors),
    gateways: Array.from({ length: plan.gateways }, (_, n) => ({ name: `gw-${plan.facility.code}-${n + 1}` })),
    receivers: places.map(({ code }, n) => ({
      code: `rx-${code}`,
      kind: 'ble_adapter' as const,
      gateway: `gw-${plan.facility.code}-${1 + (n % plan.gateways)}`,
      room: code,
    })),
    tags: [...plan.tags],
  }
}

interface Floor {
  readonly code: string
  readonly building: string
  readonly level: number
  /** How many floors came before it, and how many rooms it has. */
  readonly n: number
  readonly rooms: number
}

function floorOf({ facility, buildings, floors, rooms }: HousePlan, n: number): Floor {
  const prefix = facility.code.slice(0, 1).toUpperCase()
  const building = `${prefix}${1 + (n % buildings)}`
  const level = Math.floor(n / buildings)
  const share = Math.floor(((n + 1) * rooms) / floors) - Math.floor((n * rooms) / floors)
  return { code: `${building}-${level}`, building, level, n, rooms: share }
}

function corridorsOf({ rooms, floors }: HousePlan, floor: Floor, prefix: string) {
  const before = Math.floor((floor.n * rooms) / floors)
  return Array.from({ length: Math.ceil(floor.rooms / ROOMS_PER_CORRIDOR) }, (_, c) => {
    const count = Math.min(ROOMS_PER_CORRIDOR, floor.rooms - c * ROOMS_PER_CORRIDOR)
    const corridor = {
      code: `${floor.code}-C${c + 1}`,
      name: `Corridor ${c + 1}`,
      kind: 'corridor' as const,
      floor: floor.code,
    }
    const own = Array.from({ length: count }, (_, r) => {
      const n = before + c * ROOMS_PER_CORRIDOR + r
      const kind = KINDS[n % KINDS.length] ?? 'other'
      const department = OF_KIND[kind] ?? WARDS[n % WARDS.length] ?? 'MED'
      const code = `${prefix}${floor.n}${String(c * ROOMS_PER_CORRIDOR + r + 1).padStart(2, '0')}`
      return { code, name: `Room ${code}`, kind, floor: floor.code, department }
    })
    return { corridor, rooms: own, floor: floor.n }
  })
}

type Corridor = ReturnType<typeof corridorsOf>[number]

function bedsOf(count: number, rooms: Corridor['rooms']) {
  const wards = rooms.filter(({ kind }) => kind === 'patient' || kind === 'icu')
  return Array.from({ length: wards.length === 0 ? 0 : count }, (_, n) => {
    const room = wards[n % wards.length]?.code ?? ''
    return { room, code: `${room}-${1 + Math.floor(n / wards.length)}` }
  })
}

function zonesOf(floors: readonly Floor[], corridors: readonly Corridor[]) {
  const rooms = corridors.flatMap(({ rooms: own }) => own)
  const ofKind = (kind: string) => rooms.filter((room) => room.kind === kind).map(({ code }) => code)
  return [
    { code: 'STORES', name: 'Stores', kind: 'storage' as const, rooms: ofKind('storage') },
    { code: 'EXITS', name: 'Docks and exits', kind: 'exit' as const, rooms: ofKind('dock') },
    { code: 'NO-ASSETS', name: 'No equipment', kind: 'forbidden' as const, rooms: ofKind('other').slice(0, 2) },
    ...corridors.map(({ corridor, rooms: own }) => ({
      code: `W-${corridor.code}`,
      name: `Ward along ${corridor.name} of ${corridor.floor}`,
      kind: 'group' as const,
      rooms: own.map(({ code }) => code),
    })),
    ...floors.map(({ code, n }) => ({
      code: `F-${code}`,
      name: `All of ${code}`,
      kind: 'group' as const,
      rooms: corridors.filter(({ floor }) => floor === n).map(({ corridor }) => corridor.code),
    })),
  ]
}

function doorsOf(floors: readonly Floor[], corridors: readonly Corridor[]) {
  const first = floors.flatMap(({ n }) => corridors.find(({ floor }) => floor === n) ?? [])
  const door = (a: string, b: string, kind: 'door' | 'open' | 'lift') => ({
    between: [a, b] as [string, string],
    door: kind,
  })
  const along = corridors.flatMap(({ corridor, rooms }) => rooms.map(({ code }) => door(corridor.code, code, 'door')))
  const between = corridors.flatMap(({ corridor, floor }, n) => {
    const next = corridors[n + 1]
    return next?.floor === floor ? [door(corridor.code, next.corridor.code, 'open')] : []
  })
  const lifts = first.slice(1).map(({ corridor }, n) => door(first[n]?.corridor.code ?? '', corridor.code, 'lift'))
  return [...along, ...between, ...lifts]
}
