/** As the CHECK of rtls.tag.kind. */
export const TAG_KINDS = ['rfid_uhf', 'rfid_hf', 'ble', 'ble_sensor', 'badge', 'qr', 'legacy'] as const

/** As the CHECK of rtls.tag.status. */
export const TAG_STATUSES = ['new', 'active', 'low_battery', 'silent', 'damaged', 'lost', 'retired'] as const

/** What a tag that was taken off may be set to. */
export const OFF_STATUSES = ['active', 'damaged', 'lost', 'retired'] as const
