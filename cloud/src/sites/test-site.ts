import type { SiteInput } from './site-file.ts'

/** A small house with one of everything that a site file can say. */
export function wholeSite(slug = 'st-anna'): SiteInput {
  return {
    org: { slug, name: 'St. Anna' },
    facility: { code: 'main', name: 'Main building', timeZone: 'Europe/Berlin' },
    buildings: [{ code: 'A', name: 'House A' }],
    floors: [
      { code: 'A0', building: 'A', level: 0, name: 'Ground floor' },
      { code: 'A1', building: 'A', level: 1 },
    ],
    departments: [
      { code: 'WARD', name: 'Ward 1', parent: 'MED', costCenter: '4711', phone: '+49 30 1' },
      { code: 'MED', name: 'Medicine' },
    ],
    rooms: [
      {
        code: 'R1',
        name: 'Room 1',
        kind: 'patient',
        floor: 'A0',
        department: 'WARD',
        polygon: [
          [0, 0],
          [4.25, 0],
          [4.25, 5],
          [0, 5],
        ],
        at: [2.1, 2.5],
        areaM2: 21.25,
        capacity: 2,
      },
      { code: 'R2', kind: 'storage', floor: 'A0' },
      { code: 'HALL', kind: 'corridor', floor: 'A0' },
      { code: 'YARD', kind: 'outside' },
      { code: 'OFFICE', tracked: false },
    ],
    beds: [
      { room: 'R1', code: '1' },
      { room: 'R1', code: '2', state: 'closed' },
    ],
    zones: [
      { code: 'STORE', name: 'Stores', kind: 'storage', rooms: ['R2'] },
      { code: 'EMPTY', kind: 'forbidden', rooms: [] },
    ],
    doors: [
      { between: ['R1', 'HALL'], at: [4.25, 2] },
      { between: ['R2', 'HALL'], door: 'badge', distanceM: 3.5, portal: 'P1' },
      { between: ['HALL', 'YARD'], door: 'open' },
      { between: ['R1', 'R2'], door: 'closed' },
    ],
    gateways: [{ name: `${slug}-gw`, room: 'HALL' }],
    receivers: [
      { code: 'ble-1', kind: 'ble_adapter', gateway: `${slug}-gw`, room: 'R1', at: [1, 2, 2.5] },
      { code: 'dock-1', kind: 'wired_dock', gateway: `${slug}-gw`, room: 'R2' },
      { code: 'gate-b', kind: 'rfid_portal', gateway: `${slug}-gw`, room: 'HALL', portal: 'P1', portalPlace: 2 },
      { code: 'gate-a', kind: 'rfid_portal', gateway: `${slug}-gw`, room: 'R2', portal: 'P1', portalPlace: 1 },
      { code: 'kontakt-17:0c01', kind: 'room_beacon', room: 'R1' },
      { code: 'old', kind: 'ble_adapter', room: 'R1', status: 'retired' },
    ],
    tags: [{ identity: 'ble:c30000000001', label: 'Pump 1' }, { identity: 'epc:urn:epc:id:giai:4012345.6' }],
  }
}
