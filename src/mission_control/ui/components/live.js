// Shows a job as it happens: a snapshot, what was missed, then every event of the API's WebSocket.
// Texts of others reach the page by textContent only.

const FIRST_PAUSE = 300, LONGEST_PAUSE = 5000, SILENCE = 45000, REPLAY_GRACE = 1500, MOST_LINES = 1000
const REFUSALS = {
  4003: 'The API takes no watchers from the address of this page.',
  4004: 'There is no agent with this id any more.',
}
const PHASES = {
  queued: 'Waiting in the queue',
  preparing: 'Preparing',
  baseline: 'Measuring the starting prompt',
  searching: 'Searching',
  finishing: 'Finishing the search',
  comparing: 'Comparing',
  concluded: 'Concluding',
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
}
const ORDER = ['queued', 'preparing', 'baseline', 'searching', 'finishing', 'comparing', 'concluded']
const ARMS = {
  comparison_baseline: 'baseline on the test split',
  comparison_candidate: 'candidate on the test split',
  anchors_baseline: 'baseline on the other anchors',
  anchors_candidate: 'candidate on the other anchors',
}
const DASH = '—'

const panels = new WeakMap()

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  let panel = panels.get(parentElement)
  if (!panel || panel.jobId !== data.job_id) {
    panel?.close()
    panel = data.kind === 'optimize' ? watchOptimization(parentElement, data) : watchEvaluation(parentElement, data)
    panels.set(parentElement, panel)
  }
  panel.whenDone = () => { if (data.live) setTriggerValue('done', data.job_id) }
  return () => { panel.close(); panels.delete(parentElement) }
}

// ------------------------------------------------------------------ the connection

/** One socket that comes back behind the last event it has seen, until it is closed. */
function follow(path, data, onMessage, onState) {
  let last = data.after, socket, timer, silence, closed = false, pause = FIRST_PAUSE
  const open = () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const query = last ? `?after=${encodeURIComponent(last)}` : ''
    socket = new WebSocket(`${scheme}://${location.hostname}:${data.port}${path}${query}`)
    socket.onmessage = message => {
      const said = JSON.parse(message.data)
      last = said.id
      pause = FIRST_PAUSE
      onState('live')
      listen()
      onMessage(said)
    }
    socket.onclose = event => {
      clearTimeout(silence)
      if (closed) return
      if (REFUSALS[event.code]) { onState('refused', REFUSALS[event.code]); return }
      onState('lost')
      timer = setTimeout(open, pause + Math.random() * 200)
      pause = Math.min(pause * 2, LONGEST_PAUSE)
    }
    listen()
  }
  const listen = () => { clearTimeout(silence); silence = setTimeout(() => socket.close(), SILENCE) }
  open()
  return () => { closed = true; clearTimeout(timer); clearTimeout(silence); socket.close() }
}

/** What both kinds of panel share: the head with the state of the line, and the end of the job. */
function makePanel(parent, data) {
  const root = element('div', 'panel')
  const dot = element('span', 'dot waiting'), state = element('span', 'state', 'connecting')
  const phase = element('span', 'phase', DASH), extra = element('span', 'muted')
  const head = element('div', 'head')
  head.append(phase, extra, element('span', 'spacer'), dot, state)
  const bar = element('div', 'bar unknown'), fill = element('div', 'fill')
  bar.append(fill)
  bar.setAttribute('role', 'progressbar')
  root.append(head, bar)
  const place = parent.querySelector('#live')
  place.replaceChildren(root)

  const closers = []
  let ended = false, lostAt = null
  const panel = {
    jobId: data.job_id,
    root,
    whenDone: () => {},
    setPhase(name, more = '') { phase.textContent = PHASES[name] ?? name; extra.textContent = more },
    setProgress(done, total) {
      const known = Boolean(total)
      bar.classList.toggle('unknown', !known && !ended)
      if (!known) { bar.removeAttribute('aria-valuenow'); return }
      const percent = Math.min(100, Math.round((100 * done) / total))
      fill.style.width = `${percent}%`
      bar.setAttribute('aria-valuenow', String(percent))
    },
    setState(name, text) {
      if (ended) return
      lostAt = name === 'lost' ? (lostAt ?? new Date()) : null
      dot.className = `dot ${name === 'live' ? 'live' : 'lost'}`
      state.textContent = name === 'live' ? 'live' : name === 'lost'
        ? `no connection since ${clock(lostAt)}, trying again` : text
    },
    end(name) {
      if (ended) return
      ended = true
      panel.setPhase(name)
      bar.classList.remove('unknown')
      if (name === 'completed') fill.style.width = '100%'
      dot.className = 'dot'
      state.textContent = 'ended'
      // The log of a job that is over comes over two sockets: let the other one finish.
      if (data.live) panel.close(); else setTimeout(panel.close, REPLAY_GRACE)
      panel.whenDone()
    },
    follow(path, onMessage) { closers.push(follow(path, data, onMessage, panel.setState)) },
    close() { for (const close of closers.splice(0)) close() },
  }
  return panel
}

const OVER = new Set(['completed', 'failed', 'cancelled'])

// ------------------------------------------------------------------ an optimization

function watchOptimization(parent, data) {
  const panel = makePanel(parent, data)
  const figures = makeFigures(['Metric calls', 'Trials', 'Start, on validation', 'Best, on validation', 'Cost so far'])
  const columns = element('div', 'columns')
  const left = element('div'), right = element('div')
  const chart = element('div', 'box'), trialBox = element('div', 'box'), log = makeLog()
  left.append(element('div', 'label', 'Score on the validation split, by trial'), chart)
  right.append(element('div', 'label', 'Trials: choose one to see what it changed'), trialBox)
  columns.append(left, right)
  if (data.live) panel.root.append(figures.root, columns, element('div', 'label', 'Log'), log.root)
  else panel.root.replaceChildren(log.root)

  const trials = new Map()
  let chosen = null, now = {}

  const draw = () => {
    const calls = now.metric_calls ?? 0, limit = now.metric_calls_budget
    const start = trials.get(0)?.validation_score ?? now.baseline_validation_score
    figures.set('Metric calls', limit ? `${calls} of ${limit}` : calls ? String(calls) : DASH)
    figures.set('Trials', trials.size ? String(trials.size) : DASH)
    figures.set('Start, on validation', score(start))
    figures.set('Best, on validation', score(now.best_validation_score))
    figures.set('Cost so far', money(now.cost_usd, calls > 0))
  }
  const drawTrials = () => {
    drawChart(chart, [...trials.values()])
    drawTrialTable(trialBox, [...trials.values()], chosen, number => { chosen = chosen === number ? null : number; drawTrials() })
  }
  const searched = () => {
    panel.setPhase(now.phase ?? 'running')
    panel.setProgress(now.metric_calls ?? 0, now.metric_calls_budget)
    draw()
  }

  const onEvent = event => {
    if (event.job_id !== data.job_id) return
    if (event.type === 'optimization.started') { now.phase = 'preparing'; searched(); log.line(event.at, `Started ${event.data.optimizer} with ${event.data.model}`) }
    else if (event.type === 'optimization.progressed') {
      // What is replayed is older than the snapshot: the phase must not go back.
      const phase = ORDER.indexOf(event.data.phase) < ORDER.indexOf(now.phase) ? now.phase : event.data.phase
      now = { ...now, ...event.data, phase }
      searched()
    }
    else if (event.type === 'optimization.trial_finished') {
      trials.set(event.data.number, event.data)
      draw(); drawTrials()
      log.line(event.at, trialLine(event.data))
    }
    else if (event.type === 'optimization.log') log.line(event.at, event.data.text, event.data.level)
    else if (event.type === 'optimization.completed') { log.line(event.at, 'Completed'); now = { ...now, cost_usd: event.data.cost_usd }; draw(); panel.end('completed') }
    else if (event.type === 'optimization.failed') { log.line(event.at, event.data.error?.detail ?? 'Failed', 'error'); panel.end('failed') }
    else if (event.type === 'optimization.cancelled') { log.line(event.at, 'Cancelled'); panel.end('cancelled') }
  }
  panel.follow(`/ws/optimize/${encodeURIComponent(data.agent_id)}`, message => {
    if (message.type === 'heartbeat') return
    if (message.type !== 'snapshot') { onEvent(message); return }
    if (!message.complete && !data.live) log.note('Older lines are no longer kept.')
    const found = message.data.optimization
    if (!found || found.job_id !== data.job_id) return
    for (const trial of found.trials) trials.set(trial.number, trial)
    now = { ...now, ...found }
    searched(); drawTrials()
    if (found.status === 'queued') panel.setPhase('queued')
    // A panel that is there for the log still takes what is replayed behind the snapshot.
    if (OVER.has(found.status) && data.live) panel.end(found.status)
  })
  // The comparison runs as two evaluations of this very job; they speak on their own channel.
  panel.follow(`/ws/evaluate/${encodeURIComponent(data.agent_id)}`, message => {
    if (message.job_id !== data.job_id) return
    if (message.type === 'evaluation.started') {
      now.arm = ARMS[message.data.purpose] ?? message.data.purpose
      panel.setProgress(0, message.data.scenarios * message.data.repetitions)
      const runs = `${message.data.scenarios} scenarios × ${message.data.repetitions} repetitions`
      panel.setPhase('comparing', `${now.arm}: ${runs}`)
      log.line(message.at, `Comparing: ${now.arm}, ${runs}`)
    } else if (message.type === 'evaluation.scenario_finished') {
      panel.setPhase('comparing', `${now.arm ?? ''}: ${message.data.done} of ${message.data.total} runs`)
      panel.setProgress(message.data.done, message.data.total)
    }
  })
  draw(); drawTrials()
  return panel
}

function trialLine(trial) {
  if (trial.number === 0) return `Trial 0: the starting prompt, ${score(trial.validation_score)} on validation`
  const verdict = trial.accepted ? `accepted, ${score(trial.validation_score)} on validation` : 'not accepted'
  return `Trial ${trial.number}${trial.parent == null ? '' : ` from ${trial.parent}`}: ${verdict}`
}

function bestOf(trials) {
  const scored = trials.filter(trial => trial.accepted && trial.validation_score != null)
  return scored.reduce((best, trial) => !best || trial.validation_score > best.validation_score ? trial : best, null)
}

function drawTrialTable(box, trials, chosen, onChoose) {
  if (!trials.length) { box.replaceChildren(element('div', 'log muted', 'No trial has finished yet.')); return }
  const best = bestOf(trials), table = element('table'), head = element('tr')
  for (const name of ['Trial', 'From', 'Accepted', 'Sample', 'Validation']) head.append(element('th', '', name))
  table.append(head)
  for (const trial of [...trials].sort((a, b) => b.number - a.number)) {
    const row = element('tr', `open ${trial === best ? 'best' : ''}`)
    row.append(
      element('td', '', String(trial.number)),
      element('td', '', trial.parent == null ? DASH : String(trial.parent)),
      element('td', '', trial.number === 0 ? 'start' : trial.accepted ? 'yes' : 'no'),
      element('td', '', score(trial.sample_score)),
      element('td', '', score(trial.validation_score) + (trial === best ? ' (best)' : '')),
    )
    row.onclick = () => onChoose(trial.number)
    table.append(row)
    if (trial.number === chosen) {
      const detail = element('tr'), cell = element('td')
      cell.colSpan = 5
      cell.append(diffView(trial.diff))
      detail.append(cell)
      table.append(detail)
    }
  }
  const top = box.scrollTop
  box.replaceChildren(table)
  box.scrollTop = top
}

function diffView(diff) {
  const view = element('div', 'diff')
  if (!diff) { view.append(element('span', 'muted', 'No change in the prompt.')); return view }
  for (const text of diff.split('\n')) {
    if (text.startsWith('+++') || text.startsWith('---')) continue
    const line = /^@@ -\S+ \+(\d+)/.exec(text)
    if (line) view.append(element('div', 'muted', `from line ${line[1]}`))
    else view.append(element('div', text.startsWith('+') ? 'added' : text.startsWith('-') ? 'removed' : '', text))
  }
  return view
}

function drawChart(box, trials) {
  const scored = trials.filter(trial => trial.validation_score != null).sort((a, b) => a.number - b.number)
  if (!scored.length) { box.replaceChildren(element('div', 'log muted', 'No score yet.')); return }
  const width = 480, height = 200, left = 30, right = 12, top = 12, bottom = 22
  const last = Math.max(...trials.map(trial => trial.number), 1)
  const x = number => left + ((width - left - right) * number) / last
  const y = value => height - bottom - (height - top - bottom) * value
  const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, width: '100%', height: '100%', role: 'img', 'aria-label': 'Validation score by trial' })
  for (const tick of [0, 0.5, 1]) {
    svg.append(shape('line', { class: 'axis', x1: left, x2: width - right, y1: y(tick), y2: y(tick) }))
    svg.append(shape('text', { x: 4, y: y(tick) + 3 }, tick.toFixed(1)))
  }
  svg.append(shape('text', { x: left, y: height - 6 }, 'trial 0'))
  svg.append(shape('text', { x: width - right, y: height - 6, 'text-anchor': 'end' }, `trial ${last}`))
  let path = '', top_score = -1
  for (const trial of scored) {
    if (!trial.accepted || trial.validation_score <= top_score) continue
    path += path ? ` H${x(trial.number)} V${y(trial.validation_score)}` : `M${x(trial.number)} ${y(trial.validation_score)}`
    top_score = trial.validation_score
  }
  if (path) svg.append(shape('path', { class: 'best-line', d: `${path} H${x(last)}` }))
  const best = bestOf(trials)
  for (const trial of scored) {
    const kind = `trial ${trial.accepted ? 'accepted' : ''} ${trial === best ? 'best' : ''}`
    const dot = shape('circle', { class: kind, cx: x(trial.number), cy: y(trial.validation_score), r: trial === best ? 5 : 3.5 })
    dot.append(shape('title', {}, trialLine(trial)))
    svg.append(dot)
  }
  box.replaceChildren(svg)
}

// ------------------------------------------------------------------ an evaluation

function watchEvaluation(parent, data) {
  const panel = makePanel(parent, data)
  const figures = makeFigures(['Runs', 'Passed', 'Failed', 'Not measured'])
  const box = element('div', 'box'), table = element('table'), head = element('tr')
  for (const name of ['Result', 'Scenario', 'Repetition', 'Score', 'Time']) head.append(element('th', '', name))
  table.append(head)
  box.append(table)
  panel.root.append(figures.root, element('div', 'label', 'Results as they come in, newest first'), box)

  const results = new Map()
  let total = 0

  const draw = () => {
    const counts = { passed: 0, failed: 0, error: 0 }
    for (const result of results.values()) counts[result.status] += 1
    figures.set('Runs', total ? `${results.size} of ${total}` : DASH)
    figures.set('Passed', results.size ? String(counts.passed) : DASH)
    figures.set('Failed', results.size ? String(counts.failed) : DASH)
    figures.set('Not measured', results.size ? String(counts.error) : DASH)
    panel.setProgress(results.size, total)
  }
  const add = result => {
    const key = JSON.stringify([result.scenario_id, result.repetition])
    if (results.has(key)) return
    results.set(key, result)
    const row = element('tr'), word = { passed: ['passed', 'passed'], failed: ['failed', 'failed'], error: ['error-word', `error: ${result.error_kind ?? 'unknown'}`] }[result.status]
    row.append(
      element('td', word[0], word[1]),
      element('td', 'wide', result.scenario_id),
      element('td', '', String(result.repetition)),
      element('td', '', score(result.score)),
      element('td', '', `${Math.round(result.latency_ms)} ms`),
    )
    head.after(row)
  }
  const onEvent = event => {
    if (event.job_id !== data.job_id) return
    if (event.type === 'evaluation.started') { total = event.data.scenarios * event.data.repetitions; panel.setPhase('running'); draw() }
    else if (event.type === 'evaluation.scenario_finished') { total = event.data.total; panel.setPhase('running'); add(event.data); draw() }
    else if (event.type === 'evaluation.completed') panel.end('completed')
    else if (event.type === 'evaluation.failed') panel.end('failed')
    else if (event.type === 'evaluation.cancelled') panel.end('cancelled')
  }
  panel.follow(`/ws/evaluate/${encodeURIComponent(data.agent_id)}`, message => {
    if (message.type === 'heartbeat') return
    if (message.type !== 'snapshot') { onEvent(message); return }
    const found = message.data.evaluation
    if (!found || found.job_id !== data.job_id) return
    total = found.scenarios * found.repetitions
    for (const result of found.results) add(result)
    panel.setPhase(found.status)
    draw()
    if (OVER.has(found.status)) panel.end(found.status)
  })
  panel.setPhase('queued')
  draw()
  return panel
}

// ------------------------------------------------------------------ drawing

function makeFigures(names) {
  const root = element('div', 'figures'), values = new Map()
  for (const name of names) {
    const figure = element('div', 'figure'), value = element('span', 'value', DASH)
    figure.append(element('span', 'name', name), value)
    values.set(name, value)
    root.append(figure)
  }
  return { root, set: (name, text) => { values.get(name).textContent = text } }
}

function makeLog() {
  const root = element('div', 'box log')
  root.setAttribute('role', 'log')
  root.setAttribute('aria-live', 'polite')
  return {
    root,
    note(text) { root.prepend(element('div', 'muted', text)) },
    /** Lines come from two sockets: each goes where its time says. */
    line(at, text, level = 'info') {
      const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 30
      const line = element('div', level)
      line.dataset.at = String(new Date(at).getTime())
      line.append(element('span', 'at', clock(new Date(at))), document.createTextNode(text))
      let before = root.lastChild
      while (before && Number(before.dataset.at ?? 0) > Number(line.dataset.at)) before = before.previousSibling
      if (before) before.after(line); else root.prepend(line)
      while (root.childElementCount > MOST_LINES) root.firstChild.remove()
      if (atEnd) root.scrollTop = root.scrollHeight
    },
  }
}

function element(name, className = '', text = '') {
  const made = document.createElement(name)
  if (className) made.className = className
  if (text) made.textContent = text
  return made
}

function shape(name, attributes, text = '') {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  if (text) made.textContent = text
  return made
}

function clock(at) { return at.toLocaleTimeString([], { hour12: false }) }
function score(value) { return value == null ? DASH : Number(value).toFixed(2) }
function money(usd, measured) {
  if (usd == null) return measured ? 'unpriced' : DASH
  return Number(usd) >= 1 ? `$${Number(usd).toFixed(2)}` : `$${Number(usd).toFixed(4)}`
}
