// Two lines of time, drawn by uPlot: load against the thresholds of the tiers, and jobs a second.
import { count, time } from './element.js'

/** Points kept: five minutes at two a second. */
const POINTS = 600
/** Shown from the start, in seconds, so that the axis does not shrink while there are few points. */
const LEAST_SECONDS = 60
const HEIGHT = 190
/** Steps of an axis that counts. */
const WHOLE = [0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power))

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

/** Both charts, empty. */
export function makeCharts () {
  const load = [[], [], []]
  const rate = [[], [], []]
  let thresholds = []
  const charts = []

  const draw = () => {
    for (const chart of charts.splice(0)) chart.destroy()
    charts.push(
      makeChart('load-chart', load, [['active', colour('tier1'), true], ['waiting', colour('bad'), false, 'jobs']], {
        least: () => Math.max(1, ...thresholds.flatMap(({ actors, threshold }) => [actors, threshold])),
        hooks: { draw: [(chart) => drawThresholds(chart, thresholds)] }
      }),
      makeChart('rate-chart', rate, [['settled', colour('tier2'), true], ['refused', colour('bad'), false]], { least: () => 1 }))
  }
  draw()
  // the colours are read from the style sheet, which changes with the scheme
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
  new ResizeObserver(() => {
    for (const chart of charts) chart.setSize({ width: chart.root.parentElement.clientWidth, height: HEIGHT })
  }).observe(document.getElementById('load-chart'))

  return {
    setTiers (tiers) {
      thresholds = tiers
    },
    /** What follows is not joined to what was: nothing is known of the time between. */
    gap (seconds) {
      add(load, [seconds, null, null])
      add(rate, [seconds, null, null])
    },
    clear () {
      for (const list of [...load, ...rate]) list.length = 0
    },
    /** `rates` is null at the first state, which has nothing to compare with. */
    add (seconds, snapshot, rates) {
      add(load, [seconds, snapshot.active, snapshot.backlog])
      add(rate, [seconds, rates?.settled ?? null, rates?.refused ?? null])
      charts[0].setData(load)
      charts[1].setData(rate)
    }
  }
}

function add (lists, values) {
  for (const [index, value] of values.entries()) {
    lists[index].push(value)
    if (lists[index].length > POINTS) lists[index].shift()
  }
}

function makeChart (id, data, lines, { least, hooks = {} }) {
  const root = document.getElementById(id)
  const clock = (_, seconds) => seconds.map((second) => time(second * 1000))
  const axis = {
    stroke: colour('soft'),
    font: '12px system-ui',
    grid: { stroke: colour('faint'), width: 1 },
    ticks: { stroke: colour('line'), width: 1 }
  }
  const counts = { ...axis, size: 46, incrs: WHOLE, values: (_, values) => values.map(count) }
  const range = (_, from, to) => [0, Math.max(least(), to ?? 0) * 1.08]
  const hasOther = lines.some(([, , , scale]) => scale !== undefined)
  return new uPlot({
    width: root.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { time: true, range: (_, from, to) => [Math.min(from, to - LEAST_SECONDS), to] },
      y: { range },
      ...(hasOther && { jobs: { range: (_, from, to) => [0, Math.max(5, to ?? 0) * 1.08] } })
    },
    axes: [
      { ...axis, values: clock, space: 90, size: 32 },
      { ...counts, ...(hasOther && { stroke: lines[0][1] }) },
      ...(hasOther ? [{ ...counts, scale: 'jobs', side: 1, stroke: colour('bad'), grid: { show: false } }] : [])
    ],
    series: [{}, ...lines.map(([label, stroke, isFilled, scale]) => ({
      label,
      stroke,
      width: 2,
      scale: scale ?? 'y',
      points: { show: false },
      paths: uPlot.paths.stepped({ align: 1 }),
      ...(isFilled && { fill: `${stroke}26` })
    }))],
    hooks
  }, data, root)
}

/** A dashed line above which a tier opens. */
function drawThresholds (chart, tiers) {
  const { ctx, bbox } = chart
  const { devicePixelRatio } = globalThis
  ctx.save()
  ctx.font = `${11 * devicePixelRatio}px system-ui`
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio])
  ctx.lineWidth = devicePixelRatio
  for (const { tier, threshold } of tiers) {
    if (threshold === 0) continue // the axis
    const y = chart.valToPos(threshold, 'y', true)
    ctx.strokeStyle = ctx.fillStyle = colour(`tier${tier}`)
    ctx.beginPath()
    ctx.moveTo(bbox.left, y)
    ctx.lineTo(bbox.left + bbox.width, y)
    ctx.stroke()
    ctx.fillText(`tier ${tier} opens above ${threshold}`, bbox.left + 6 * devicePixelRatio, y - 6 * devicePixelRatio)
  }
  ctx.restore()
}
