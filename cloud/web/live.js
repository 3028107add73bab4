/** The live page: rooms with the tags that are in them, kept current by the stream of /api/v1/stream. */

import { createAlarms } from './alarms.js'

const SILENT_STREAM_MS = 45_000
const OLD_MS = 6 * 60_000
const UNSURE = 0.6
const MOVED_MS = 2_500
const RETRY = { firstMs: 2_000, maxMs: 10_000 }

const REASONS = {
  none: 'room not known',
  not_heard: 'not heard',
  ambiguous: 'between rooms',
  receiver_down: 'receiver down',
  outside: 'outside the covered area',
  not_calibrated: 'area not calibrated yet',
  clock: 'clock of the gateway is wrong',
  low_evidence: 'heard too weakly to tell',
}

const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id))
const page = {
  state: byId('state'),
  stateText: byId('state-text'),
  search: /** @type {HTMLInputElement} */ (byId('search')),
  found: byId('found'),
  figures: byId('figures'),
  notice: byId('notice'),
  facilities: byId('facilities'),
  unknownLink: byId('unknown-link'),
  unknownList: byId('unknown-list'),
  unknownCount: byId('unknown-count'),
  unknownNone: byId('unknown-none'),
  newest: byId('newest'),
}
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

/** Room key -> its card. */
const rooms = new Map()
/** Tag id -> what is known and shown of it. */
const tags = new Map()
/** Server time minus this device's, milliseconds. */
let clockOffsetMs = 0
let newestMs = 0
let heardMs = performance.now()
let source
let attempt = 0

const roomKey = (facility, code) => JSON.stringify([facility, code])
const serverNow = () => Date.now() + clockOffsetMs

function element(name, className, text) {
  const made = document.createElement(name)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

/** Writes only what is new, so that nothing is laid out or read out again for nothing. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** "5 s", "12 min", "3 h 05", "4 d". */
function ageText(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')}`
  return `${Math.floor(hours / 24)} d`
}

// ---- what happened: alarms ----

const alarms = createAlarms(
  { section: byId('alarms'), list: byId('alarms-list'), count: byId('alarms-count'), told: byId('alarms-told') },
  {
    nameOf: (id) => tags.get(id)?.name.textContent ?? shortName(id),
    roomName: (facility, code) => rooms.get(roomKey(facility, code))?.card.ariaLabel ?? code,
    roomNow: (id) => {
      const position = tags.get(id)?.position
      return position?.room == null ? undefined : rooms.get(roomKey(position.facility, position.room))?.card.ariaLabel
    },
    ageText,
    setText,
  },
)

// ---- what there is: rooms and tags ----

async function fetchAll(path) {
  const items = []
  let cursor = ''
  do {
    const response = await fetch(`${path}?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
    if (response.status === 401) location.assign('/login')
    if (!response.ok) throw new Error((await response.json()).title)
    const body = await response.json()
    items.push(...body.items)
    cursor = body.next ?? ''
  } while (cursor)
  return items
}

let loading
/** Asked for while it runs already, it runs once more afterwards. */
async function loadDirectory() {
  if (loading) {
    loading.again = true
    return
  }
  loading = { again: false }
  try {
    const [roomItems, tagItems] = await Promise.all([fetchAll('/api/v1/rooms'), fetchAll('/api/v1/tags')])
    showRooms(roomItems)
    showTags(tagItems)
    page.notice.hidden = true
  } catch (error) {
    page.notice.textContent = `Rooms and tags could not be loaded (${error.message}). Trying again.`
    page.notice.hidden = false
    loading.again = true
    await new Promise((resolve) => setTimeout(resolve, RETRY.maxMs))
  }
  const { again } = loading
  loading = undefined
  if (again) await loadDirectory()
}

function showRooms(items) {
  rooms.clear()
  const byFacility = Map.groupBy
    ? Map.groupBy(items, ({ facility }) => facility)
    : items.reduce((all, item) => all.set(item.facility, [...(all.get(item.facility) ?? []), item]), new Map())
  const names = [...byFacility.keys()].sort(collator.compare)
  page.facilities.replaceChildren(...names.map((name) => facilitySection(name, byFacility.get(name), names.length > 1)))
}

function facilitySection(name, items, isNamed) {
  const section = element('section', 'facility')
  if (isNamed) section.append(element('h2', '', name))
  else section.ariaLabel = name
  const cards = element('div', 'cards')
  items.sort((a, b) => collator.compare(a.name, b.name))
  cards.append(...items.map((item) => roomCard(name, item)))
  section.append(cards)
  return section
}

function roomCard(facility, { code, name }) {
  const card = element('article', 'card empty')
  const header = element('header')
  const title = element('h3', '', name)
  const count = element('span', 'count', '0')
  const list = element('ul', 'chips')
  card.dataset.room = code
  card.ariaLabel = name
  header.append(title, count)
  card.append(header, list)
  rooms.set(roomKey(facility, code), { card, count, list, text: `${name} ${code}`.toLowerCase() })
  return card
}

function showTags(items) {
  const known = new Set(items.map(({ id }) => id))
  for (const { id, label } of items) {
    const tag = tagFor(id)
    tag.name.textContent = label ?? shortName(id)
    tag.text = `${label ?? ''} ${id}`.toLowerCase()
  }
  for (const [id, tag] of tags) {
    if (known.has(id)) continue
    tag.chip.remove()
    tags.delete(id)
  }
  placeAll()
  refreshAll()
}

const shortName = (id) => id.slice(id.indexOf(':') + 1)

function tagFor(id) {
  let tag = tags.get(id)
  if (!tag) {
    const chip = element('li', 'tag')
    const name = element('b', '', shortName(id))
    const why = element('span', 'why')
    chip.dataset.tag = id
    chip.title = id
    chip.append(name, why)
    tag = { id, chip, name, why, text: id.toLowerCase(), position: undefined }
    tags.set(id, tag)
  }
  return tag
}

// ---- where it is: positions ----

/** Moves of more tags than this are shown by putting all in place at once. */
const MANY = 100

function showRows(rows) {
  const moved = rows.map(takeRow).filter((tag) => tag !== undefined)
  if (moved.length > MANY) placeAll()
  else for (const tag of moved) place(tag)
  refreshAll()
}

/** @returns the tag when it has to be put in another list */
function takeRow([id, room, confidence, reason, atMs, facility]) {
  const tag = tagFor(id)
  const before = tag.position
  tag.position = { room, confidence, reason, atMs, facility }
  newestMs = Math.max(newestMs, atMs)
  const stays = before && before.room === room && before.facility === facility && tag.chip.isConnected
  if (before && !stays) mark(tag.chip)
  return stays ? undefined : tag
}

function mark(chip) {
  chip.classList.add('moved')
  setTimeout(() => chip.classList.remove('moved'), MOVED_MS)
}

/** The list in which a tag belongs. A room that is not known here counts as none. */
function listOf({ position }) {
  const room = position?.room == null ? undefined : rooms.get(roomKey(position.facility, position.room))
  return room?.list ?? page.unknownList
}

const byName = (a, b) => collator.compare(a.name.textContent, b.name.textContent)

/** Puts one chip where it belongs, in the order of the names. */
function place(tag) {
  const list = listOf(tag)
  const next = [...list.children].find((other) => other !== tag.chip && byName(tags.get(other.dataset.tag), tag) > 0)
  list.insertBefore(tag.chip, next ?? null)
}

/** As `place`, for all tags at once. */
function placeAll() {
  const lists = new Map([...rooms.values()].map(({ list }) => [list, []]))
  lists.set(page.unknownList, [])
  for (const tag of [...tags.values()].sort(byName)) lists.get(listOf(tag)).push(tag.chip)
  for (const [list, chips] of lists) list.replaceChildren(...chips)
}

function describe(tag) {
  const { id, position, chip, why } = tag
  const ageMs = position ? serverNow() - position.atMs : 0
  const isPlaced = listOf(tag) !== page.unknownList
  const isOld = isPlaced && ageMs > OLD_MS
  const isUnsure = isPlaced && position.confidence < UNSURE
  chip.classList.toggle('old', isOld)
  chip.classList.toggle('unsure', isUnsure)
  if (isPlaced) {
    setText(why, isOld ? ageText(ageMs) : isUnsure ? 'unsure' : '')
    chip.title = `${id}, ${Math.round(position.confidence * 100)} % sure, as of ${ageText(ageMs)} ago`
    return
  }
  const reason = position && (REASONS[position.reason] ?? REASONS.none)
  setText(why, position ? `${reason}, as of ${ageText(ageMs)} ago` : 'never heard yet')
  chip.title = id
}

// ---- figures, search ----

function refreshAll() {
  alarms.refresh(serverNow())
  for (const tag of tags.values()) describe(tag)
  const wanted = page.search.value.trim().toLowerCase()
  filter(wanted)
  let placed = 0
  for (const room of rooms.values()) {
    const inside = room.list.childElementCount
    placed += inside
    setText(room.count, String(inside))
    room.card.classList.toggle('empty', inside === 0)
  }
  const unknown = tags.size - placed
  setText(page.figures, `${tags.size} tags, ${placed} in a known room`)
  setText(page.unknownLink, `${unknown} unknown`)
  page.unknownLink.hidden = unknown === 0
  setText(page.unknownCount, String(unknown))
  page.unknownNone.hidden = unknown > 0 || tags.size === 0
  setText(page.newest, newestMs > 0 ? `${ageText(serverNow() - newestMs)} ago` : 'not yet')
}

/** A room that matches shows all of its tags; otherwise only the tags that match are shown. */
function filter(wanted) {
  let hits = 0
  const filterList = (list, isWhole) => {
    let shown = 0
    for (const chip of list.children) {
      chip.hidden = !(isWhole || tags.get(chip.dataset.tag)?.text.includes(wanted))
      if (!chip.hidden) shown += 1
    }
    hits += shown
    return shown
  }
  for (const { card, list, text } of rooms.values()) {
    const isWhole = wanted === '' || text.includes(wanted)
    card.hidden = filterList(list, isWhole) === 0 && !isWhole
  }
  filterList(page.unknownList, wanted === '')
  const text = wanted === '' ? '' : hits === 0 ? `Nothing matches "${wanted}"` : `${hits} found`
  setText(page.found, text)
}

page.search.addEventListener('input', refreshAll)
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== page.search) {
    event.preventDefault()
    page.search.focus()
  } else if (event.key === 'Escape' && document.activeElement === page.search) {
    page.search.value = ''
    refreshAll()
  }
})

// ---- the stream ----

const STATES = {
  live: 'Live',
  delayed: 'Connected, positions may lag',
  reconnecting: 'Reconnecting, showing last known',
}

function showState(state) {
  if (page.state.dataset.state === state) return
  page.state.dataset.state = state
  setText(page.stateText, STATES[state])
}

function listen(name, handle) {
  source.addEventListener(name, (event) => {
    heardMs = performance.now()
    const data = JSON.parse(event.data)
    if (data.at) clockOffsetMs = data.at - Date.now()
    if (data.live !== undefined) showState(data.live ? 'live' : 'delayed')
    handle(data)
  })
}

function connect() {
  source?.close()
  heardMs = performance.now()
  source = new EventSource('/api/v1/stream')
  listen('hello', () => {
    attempt = 0
  })
  listen('heartbeat', () => undefined)
  listen('resync', () => {
    for (const tag of tags.values()) tag.position = undefined
    void loadDirectory()
  })
  listen('positions', ({ rows }) => showRows(rows))
  listen('alarms', ({ rows }) => alarms.show(rows, serverNow()))
  source.addEventListener('error', () => {
    showState('reconnecting')
    // The browser tries again by itself unless the answer was an error.
    if (source.readyState === EventSource.CLOSED) {
      const ceiling = Math.min(RETRY.maxMs, RETRY.firstMs * 2 ** attempt)
      attempt += 1
      setTimeout(connect, RETRY.firstMs / 2 + Math.random() * ceiling)
    }
  })
}

setInterval(() => {
  refreshAll()
  if (performance.now() - heardMs > SILENT_STREAM_MS) {
    showState('reconnecting')
    connect()
  }
}, 1_000)

connect()
