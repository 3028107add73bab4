/** The alarms at the top of the live page: what was pressed or opened, by what, where and when. */

const KEEP_MS = 30 * 60_000
const MAX_LINES = 200

const EVENTS = {
  button: 'button pressed',
  tamper: 'case opened or tag taken off',
  fall: 'fell',
  low_battery: 'battery is low',
  dock: 'docked or undocked',
  motion: 'moved',
}

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** A line of the list; its texts are written by `refresh`. */
function lineOf(id) {
  const item = document.createElement('li')
  const parts = { item }
  for (const name of ['who', 'what', 'where', 'when']) {
    const part = document.createElement(name === 'who' ? 'b' : 'span')
    part.className = name
    item.append(part)
    parts[name] = part
  }
  item.className = 'alarm'
  item.dataset.alarm = id
  return parts
}

/**
 * @param page nodes: section, list, count, and `told`, which is read out when it changes
 * @param words `nameOf(tag)`, `roomName(facility, code)`, `roomNow(tag)` (undefined where it is not known),
 *   `ageText(ms)`, `setText(node, text)`
 */
export function createAlarms(page, words) {
  /** Alarm id -> what is known and shown of it. */
  const alarms = new Map()

  function placeText({ tag, room, facility }) {
    const then = room === null ? 'place not known' : words.roomName(facility, room)
    const now = words.roomNow(tag)
    return now === undefined || now === then ? then : `${then}, now in ${now}`
  }

  function describe(alarm, nowMs) {
    const { tag, event, atMs, line } = alarm
    words.setText(line.who, words.nameOf(tag))
    words.setText(line.what, EVENTS[event] ?? event)
    words.setText(line.where, placeText(alarm))
    words.setText(line.when, `${timeOfDay.format(atMs)}, ${words.ageText(nowMs - atMs)} ago`)
    line.item.title = tag
  }

  function drop(id) {
    alarms.get(id)?.line.item.remove()
    alarms.delete(id)
  }

  /** Texts, ages, and what is too old to be shown. */
  function refresh(nowMs) {
    for (const [id, alarm] of alarms) {
      if (nowMs - alarm.atMs > KEEP_MS) drop(id)
      else describe(alarm, nowMs)
    }
    page.section.hidden = alarms.size === 0
    words.setText(page.count, String(alarms.size))
  }

  function take([id, tag, event, , room, atMs, facility]) {
    const before = alarms.get(id)
    const alarm = { tag, event, room, atMs, facility, line: before?.line ?? lineOf(id) }
    alarms.set(id, alarm)
    const below = [...page.list.children].find((other) => alarms.get(other.dataset.alarm)?.atMs <= atMs)
    if (!before) page.list.insertBefore(alarm.line.item, below ?? null)
    return alarm
  }

  return {
    refresh,
    show(rows, nowMs) {
      const taken = rows.map(take)
      for (const id of [...alarms.keys()].slice(0, -MAX_LINES)) drop(id)
      refresh(nowMs)
      const newest = taken.at(-1)
      if (!newest) return
      const { who, what, where } = newest.line
      words.setText(page.told, `Alarm: ${who.textContent}, ${what.textContent}, ${where.textContent}`)
    },
  }
}
