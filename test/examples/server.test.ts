// Tests the example server as a client sees it: each job through its route, wrong requests, wrong settings.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net = require('node:net')
import { join } from 'node:path'
import t from 'tap'
import { argon2Verify } from 'hash-wasm'
import jpeg = require('jpeg-js')
import { PNG } from 'pngjs'
import { encode } from '../../dist/examples/image.js'
import { samplePicture } from '../../dist/examples/sample.js'
import { build } from '../../dist/examples/server.js'

const root = join(__dirname, '..', '..')
const photograph = samplePicture(640, 480)
const png = Buffer.from(encode(photograph, 'image/png'))
const jpg = Buffer.from(encode(photograph, 'image/jpeg'))

for (const runtime of ['spillover', 'inline'] as const) {
  t.test(`runtime ${runtime}`, async (t) => {
    const app = await build({ runtime, ...(runtime === 'spillover' && { tiers: [{ actors: 1, threshold: 0 }] }) })
    t.teardown(() => app.close())
    const post = (url: string, type: string, payload: string | Buffer) =>
      app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload })

    t.test('a PNG of 640 x 480 becomes a smaller PNG of 160 x 120 that looks the same', async (t) => {
      const response = await post('/thumbnails?width=160', 'image/png', png)
      t.equal(response.statusCode, 200)
      t.equal(response.headers['content-type'], 'image/png')
      t.ok(response.rawPayload.length < png.length, `${response.rawPayload.length} < ${png.length} bytes`)
      const small = PNG.sync.read(response.rawPayload)
      t.strictSame([small.width, small.height], [160, 120])
      // Without its noise the sample has 40 + 160 * 320 / 640 = 120 of red and of green in the middle.
      const middle = (60 * 160 + 80) * 4
      t.ok(Math.abs(small.data[middle]! - 120) <= 8, `red ${small.data[middle]}`)
      t.ok(Math.abs(small.data[middle + 1]! - 120) <= 8, `green ${small.data[middle + 1]}`)
    })

    t.test('a JPEG becomes a JPEG, 320 pixels wide unless asked otherwise', async (t) => {
      const response = await post('/thumbnails', 'image/jpeg', jpg)
      t.equal(response.statusCode, 200)
      t.equal(response.headers['content-type'], 'image/jpeg')
      t.ok(response.rawPayload.length < jpg.length, `${response.rawPayload.length} < ${jpg.length} bytes`)
      const small = jpeg.decode(response.rawPayload)
      t.strictSame([small.width, small.height], [320, 240])
    })

    t.test('what is no PNG or JPEG is refused with 415', async (t) => {
      t.equal((await post('/thumbnails', 'text/plain', 'no image')).statusCode, 415)
      t.equal((await post('/thumbnails', 'application/json', '{}')).statusCode, 415)
      t.equal((await app.inject({ method: 'POST', url: '/thumbnails' })).statusCode, 415)
      const gif = await post('/thumbnails', 'image/png', 'GIF89a')
      t.equal(gif.statusCode, 415)
      t.match(gif.json().message, /expected a PNG or JPEG image/)
    })

    t.test('a broken image is refused with 400, a wrong width too', async (t) => {
      const torn = Buffer.from(png).fill(7, 3000, 9000)
      t.equal((await post('/thumbnails', 'image/png', torn)).statusCode, 400)
      t.equal((await post('/thumbnails', 'image/png', png.subarray(0, 20))).statusCode, 400)
      const cut = await post('/thumbnails', 'image/jpeg', jpg.subarray(0, 2000))
      t.equal(cut.statusCode, 400)
      t.match(cut.json().message, /^cannot read the image\/jpeg: /)
      for (const width of ['0', '-1', 'wide', '1e9']) {
        t.equal((await post(`/thumbnails?width=${width}`, 'image/png', png)).statusCode, 400, `width ${width}`)
      }
    })

    t.test('an image of more than 10 MiB is refused with 413', async (t) => {
      t.equal((await post('/thumbnails', 'image/png', Buffer.alloc(10 * 1024 * 1024 + 1))).statusCode, 413)
    })

    t.test('a password becomes an Argon2id hash that verifies', async (t) => {
      const response = await post('/passwords', 'application/json', '{"password":"grüße"}')
      t.equal(response.statusCode, 200)
      const { hash } = response.json()
      t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
      t.equal(await argon2Verify({ password: 'grüße', hash }), true)
      t.equal(await argon2Verify({ password: 'other', hash }), false)
    })

    t.test('a wrong body is refused with 400', async (t) => {
      for (const body of ['{}', '{"password":3}', '{"password":""}', '[]', 'no JSON']) {
        t.equal((await post('/passwords', 'application/json', body)).statusCode, 400, body)
      }
      t.equal((await post('/markdown', 'application/json', '{"markdown":3}')).statusCode, 400)
    })

    t.test('Markdown becomes HTML: tags are text, code is highlighted, no script in a link', async (t) => {
      const source = '# Hi <script>alert(1)</script>\n\n```js\nconst a = "<b>"\n```\n\n[x](javascript:alert(1))\n'
      const response = await post('/markdown', 'text/markdown', source)
      t.equal(response.statusCode, 200)
      t.match(response.headers['content-type'], /^text\/html/)
      t.match(response.body, '<h1>Hi &lt;script&gt;alert(1)&lt;/script&gt;</h1>')
      t.match(response.body, '<span class="hljs-keyword">const</span>')
      t.match(response.body, '&quot;&lt;b&gt;&quot;')
      t.notMatch(response.body, '<script')
      t.notMatch(response.body, 'href="javascript')
      const same = await post('/markdown', 'application/json', JSON.stringify({ markdown: source }))
      t.equal(same.body, response.body)
    })

    t.test('the page is HTML and names no other host', async (t) => {
      const response = await app.inject('/')
      t.equal(response.statusCode, 200)
      t.match(response.headers['content-type'], /^text\/html/)
      t.match(response.body, '<title>fastify-spillover: example</title>')
      t.notMatch(response.body, /https?:\/\//)
    })

    t.test('the light route answers', async (t) => {
      t.strictSame((await app.inject('/light')).json(), { ok: true })
    })

    if (runtime === 'spillover') {
      t.test('the health route shows the one tier of the plan', async (t) => {
        const response = await app.inject('/health/tiers')
        t.equal(response.statusCode, 200)
        t.equal(response.json().tiers.length, 1)
      })
    }
  })
}

/** Runs the server as its own process until it ends. */
const runServer = async (env: Record<string, string>) => {
  const child = spawn(process.execPath, [join(root, 'dist', 'examples', 'server.js')], {
    env: { ...process.env, PORT: '0', RUNTIME: 'inline', ...env }
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    // Only a server that should not have started gets here, or one that is to be closed.
    if (text.includes('Server listening')) child.kill('SIGTERM')
  })
  const [code] = await once(child, 'close')
  return { code, errors, out }
}

const wrongSettings: [Record<string, string>, RegExp][] = [
  [{ SPILLOVER_TIERS: '[{' }, /^SPILLOVER_TIERS: expected JSON such as .*\n$/],
  [{ SPILLOVER_TIERS: '{}' }, /^SPILLOVER_TIERS: expected a list of 1 to 3 tiers .*, got \{\}\n$/],
  [{ SPILLOVER_TIERS: '[]' }, /^SPILLOVER_TIERS: expected a list of 1 to 3 tiers .*, got \[\]\n$/],
  [{ SPILLOVER_TIERS: '[{}]' }, /^SPILLOVER_TIERS: tier 1: expected either "actors" or "cpus", got \{\}\n$/],
  [{ SPILLOVER_TIERS: '[{"actors":1,"threshold":-1}]' }, /^SPILLOVER_TIERS: tier 1: expected "threshold" .*\n$/],
  [{ SPILLOVER_TIERS: '[{"actors":0}]' }, /^SPILLOVER_TIERS: tier 1: expected "actors" to be .*, got \{"actors":0\}\n$/],
  [{ SPILLOVER_TIERS: '[{"actors":1},{"threads":1}]' }, /^SPILLOVER_TIERS: tier 2: expected only .*"threads".*\n$/],
  [{ SPILLOVER_TIERS: '[{"cpus":[-1]}]' }, /^SPILLOVER_TIERS: tier 1: expected "cpus" .*\n$/],
  [{ PORT: '70000' }, /^PORT: expected a whole number from 0 to 65535, got "70000"\n$/],
  [{ PORT: 'web' }, /^PORT: expected a whole number from 0 to 65535, got "web"\n$/],
  [{ RUNTIME: 'threads' }, /^RUNTIME: expected one of spillover, piscina, inline, got "threads"\n$/]
]

for (const [env, text] of wrongSettings) {
  t.test(`${JSON.stringify(env)} ends the server with status 1 and one line`, async (t) => {
    const { code, errors } = await runServer(env)
    t.equal(code, 1)
    t.match(errors, text)
  })
}

t.test('a port in use ends the server with status 1 and one line', async (t) => {
  const other = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => { other.close() })
  await once(other, 'listening')
  const { port } = other.address() as net.AddressInfo
  const { code, errors } = await runServer({ PORT: String(port) })
  t.equal(code, 1)
  t.match(errors, new RegExp(`^the port is in use: .*:${port}.*\n$`))
})

for (const runtime of ['inline', 'piscina', 'spillover']) {
  t.test(`SIGTERM closes the server with status 0, runtime ${runtime}`, async (t) => {
    const { code, out } = await runServer({ RUNTIME: runtime })
    t.equal(code, 0)
    t.match(out, 'SIGTERM: closing')
  })
}
