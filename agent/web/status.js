/** The status page of a gateway: /status for everybody who may see the page, /live for whoever has the access token. */

const RETRY = { firstMs: 1_000, maxMs: 10_000 }
/** The gateway says something every 2 s. */
const SILENT_MS = 10_000
const ROWS = 500
const TOKEN = 'biotrakr-token'

const REASONS = {
  none: 'not known',
  not_heard: 'not heard',
  ambiguous: 'between rooms',
  receiver_down: 'receiver down',
  outside: 'outside the covered area',
  not_calibrated: 'area not calibrated yet',
  clock: 'clock of the gateway is wrong',
  low_evidence: 'heard too weakly to tell',
}
const CENTRE = {
  connecting: ['attention', 'Not connected'],
  greeting: ['attention', 'Waiting for the centre'],
  sending: ['good', 'Sending'],
  idle: ['good', 'All delivered'],
  refused: ['alarm', 'Refused by the centre'],
  denied: ['alarm', 'Refused by the broker'],
  stopped: ['unknown', 'Stopped'],
}
const ADAPTERS = {
  hearing: ['good', 'hears'],
  deaf: ['alarm', 'hears nothing'],
  degraded: ['attention', 'hears, but loses reports'],
  starting: ['unknown', 'starting'],
}
const SOURCES = {
  up: ['good', ''],
  starting: ['unknown', ''],
  finished: ['unknown', ''],
  failed: ['alarm', ''],
}
const EVENTS = { button: 'button pressed', tamper: 'case opened or tag taken off', motion: 'moved' }

const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id))
const number = new Intl.NumberFormat('en-GB')
const [signIn, tokenField] = [byId('sign-in'), /** @type {HTMLInputElement} */ (byId('token'))]
/** Tag -> its newest place, and its row while it has one. */
const places = new Map()
let offsetMs = 0
let token = sessionStorage.getItem(TOKEN) ?? ''
/** True once the token has opened something. */
let isLive = false

function element(name, className, text) {
  const made = document.createElement(name)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** @param ms of a time span */
function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

function rate(perSecond) {
  if (perSecond === undefined) return 'measuring'
  return `${perSecond >= 10 ? number.format(Math.round(perSecond)) : perSecond.toFixed(1)} /s`
}

function hours(left) {
  if (left === undefined) return 'measuring'
  if (left > 24 * 30) return 'over 30 days'
  return left >= 72 ? `${Math.round(left / 24)} days` : `${left < 10 ? left.toFixed(1) : Math.round(left)} h`
}

const megabytes = (bytes) => `${number.format(Math.round(bytes / 1_048_576))} MB`

function setState(state, text) {
  byId('state').dataset.state = state
  setText(byId('state-text'), text)
}

/** One line of a list; lines are kept and rewritten, so that nothing jumps and nothing is read out again for nothing. */
function line(list, at, { state, name, value, detail }) {
  let item = list.children[at]
  if (item === undefined) {
    item = element('li')
    item.append(element('span', 'mark'), element('span', 'name'), element('span', 'number'), element('span', 'detail'))
    list.append(item)
  }
  item.dataset.state = state
  setText(item.children[1], name)
  setText(item.children[2], value)
  setText(item.children[3], detail)
}

function trim(list, length) {
  while (list.children.length > length) list.lastElementChild.remove()
}

function showProblems(problems) {
  byId('to-do').hidden = problems.length === 0
  const list = byId('problems')
  const wanted = JSON.stringify(problems)
  if (list.dataset.shown === wanted) return
  list.dataset.shown = wanted
  const items = problems.map(({ code, message, next }) => {
    const item = element('li')
    item.append(element('strong', '', sentence(message)), element('span', '', sentence(next)), ' ')
    item.append(element('span', 'code', code))
    return item
  })
  list.replaceChildren(...items)
}

function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(whole) ? whole : `${whole}.`
}

function showFigures({ readingsRate, answersRate, tags, buffer, centre, atMs }) {
  const [, centreWords] = CENTRE[centre.state] ?? ['unknown', centre.state]
  const oldest = buffer.oldestMs === undefined ? '' : `, oldest ${span(atMs - buffer.oldestMs)}`
  const acked = centre.lastAckMs === undefined ? 'none yet' : `${span(atMs - centre.lastAckMs)} ago`
  const figures = [
    ['Tags heard', `${number.format(tags.heard)} of ${number.format(tags.known)}`, 'within the last minute'],
    ['Readings', rate(readingsRate), 'of this site’s tags'],
    ['Answers', rate(answersRate), 'where a tag is'],
    ['Last confirmed', acked, `by the centre: ${centreWords.toLowerCase()}`],
    ['Waiting', number.format(buffer.waiting), `records for the centre${oldest}`],
    [
      'Room without the centre',
      hours(buffer.hoursLeft),
      `store ${megabytes(buffer.bytes)} of ${megabytes(buffer.maxBytes)}`,
    ],
  ]
  const section = byId('figures')
  figures.forEach(([title, figure, note], at) => {
    let tile = section.children[at]
    if (tile === undefined) {
      tile = element('div', 'tile')
      tile.append(element('p'), element('p', 'figure'), element('p'))
      section.append(tile)
    }
    setText(tile.children[0], title)
    setText(tile.children[1], figure)
    setText(tile.children[2], note)
  })
}

function showSources({ adapters, sources }) {
  const list = byId('sources')
  const lines = adapters.map(({ receiver, target, state, rate: each, silentMs }) => {
    const [tone, words] = ADAPTERS[state] ?? ['unknown', state]
    const silent = state === 'deaf' ? ` for ${span(silentMs)}` : ''
    return { state: tone, name: receiver, value: rate(each), detail: `Bluetooth adapter ${target}: ${words}${silent}` }
  })
  for (const { name, state, detail, isReader, rate: each } of sources) {
    const [tone] = SOURCES[state] ?? ['unknown']
    const what = isReader ? 'Reader: ' : ''
    lines.push({ state: tone, name, value: rate(each), detail: `${what}${detail}` })
  }
  for (const [at, each] of lines.entries()) line(list, at, each)
  trim(list, lines.length)
  byId('hearing').hidden = lines.length === 0
}

function showStatus(status) {
  offsetMs = status.atMs - Date.now()
  setText(byId('gateway'), status.gateway)
  document.title = `${status.ok ? '' : '! '}${status.gateway} - BioTrakr gateway`
  const count = status.problems.length
  if (status.ok) setState('good', 'Everything works')
  else setState('attention', count === 1 ? '1 thing needs a person' : `${count} things need a person`)
  showProblems(status.problems)
  showFigures(status)
  showSources(status)
  byId('live').hidden = false
  const clock = { unsynced: ', time not confirmed yet' }[status.clock] ?? ''
  setText(byId('footer'), `Version ${status.software}, running for ${span(status.atMs - status.startedMs)}${clock}`)
}

function showPlaces() {
  const newest = [...places.values()].sort((a, b) => b.atMs - a.atMs)
  const shown = newest.slice(0, ROWS)
  const body = byId('places')
  shown.forEach(({ tag, room, reason, atMs }, at) => {
    let row = body.children[at]
    if (row === undefined) {
      row = element('tr')
      row.append(element('td'), element('td'), element('td', 'number'))
      body.append(row)
    }
    setText(row.children[0], tag)
    setText(row.children[1], room ?? `Room unknown: ${REASONS[reason] ?? reason}`)
    setText(row.children[2], `${span(Date.now() + offsetMs - atMs)} ago`)
  })
  trim(body, shown.length)
  const note = byId('places-note')
  note.hidden = newest.length <= ROWS && newest.length > 0
  setText(
    note,
    newest.length === 0 ? 'No tag has been heard yet.' : `The ${ROWS} newest of ${number.format(newest.length)}.`,
  )
}

function addAlarms(alarms) {
  const list = byId('alarms')
  for (const { tag, room, event, atMs } of alarms) {
    const item = element('li')
    item.dataset.state = 'alarm'
    item.append(element('span', 'mark'), element('span', 'name', tag))
    item.append(element('span', 'number', new Date(atMs).toLocaleTimeString()))
    item.append(element('span', 'detail', `${EVENTS[event] ?? event}, ${room ?? 'room unknown'}`))
    list.prepend(item)
  }
  trim(list, 20)
  list.hidden = list.children.length === 0
}

const ON = {
  '/status': { status: showStatus },
  '/live': {
    places: (data) => {
      for (const place of data.places) places.set(place.tag, place)
      showPlaces()
    },
    alarms: ({ alarms }) => addAlarms(alarms),
  },
}

/**
 * Reads one stream until it ends. EventSource cannot carry a token, so the few rules of the format are applied here.
 * @returns the status of the answer
 */
async function read(path, onOpen) {
  const stop = new AbortController()
  let timer = setTimeout(() => stop.abort(), SILENT_MS)
  try {
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` }
    const answer = await fetch(path, { headers, signal: stop.signal, cache: 'no-store' })
    if (!answer.ok || answer.body === null) return answer.status
    onOpen()
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    let held = ''
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return answer.status
      clearTimeout(timer)
      timer = setTimeout(() => stop.abort(), SILENT_MS)
      const frames = (held + value).split('\n\n')
      held = frames.pop() ?? ''
      for (const frame of frames) take(path, frame)
    }
  } catch {
    return 0
  } finally {
    clearTimeout(timer)
  }
}

function take(path, frame) {
  const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1]
  const [event, data] = [field('event'), field('data')]
  if (event !== undefined && data !== undefined) ON[path][event]?.(JSON.parse(data))
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function askForToken() {
  const hadOne = token !== ''
  token = ''
  sessionStorage.removeItem(TOKEN)
  signIn.hidden = false
  byId('wrong').hidden = !hadOne
  tokenField.focus()
}

/** Keeps one stream open; waits for a token where it takes one. */
async function follow(path, { onOpen, onLost }) {
  for (let waitMs = RETRY.firstMs; ; waitMs = Math.min(RETRY.maxMs, waitMs * 2)) {
    const status = await read(path, () => {
      waitMs = RETRY.firstMs
      signIn.hidden = true
      onOpen()
    })
    if (status === 401) {
      askForToken()
      await new Promise((resolve) => signIn.addEventListener('submit', resolve, { once: true }))
      waitMs = RETRY.firstMs / 2
      continue
    }
    onLost()
    await pause(waitMs * (0.5 + Math.random() / 2))
  }
}

function showTags() {
  if (isLive) return
  isLive = true
  const onOpen = () => {
    places.clear()
    byId('alarms').replaceChildren()
    byId('live-note').hidden = true
    byId('places-card').hidden = false
  }
  void follow('/live', { onOpen, onLost: () => undefined })
}

signIn.addEventListener('submit', (event) => {
  event.preventDefault()
  token = tokenField.value.trim()
  sessionStorage.setItem(TOKEN, token)
  tokenField.value = ''
})
byId('show-live').addEventListener('click', showTags)
void follow('/status', {
  onOpen: () => {
    if (token !== '') showTags()
  },
  onLost: () => setState('unknown', 'No answer from the gateway, showing the last known'),
})
