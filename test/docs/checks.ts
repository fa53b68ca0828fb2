// What the servers of the documents must answer: run after the last block of a section, with what it declares in sight.

/** By document and heading: JavaScript that sees `app` and `assert`. */
export const checks: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'README.md': {
    'Ten minutes': `
      const reply = await app.inject({ method: 'POST', url: '/hash', body: { password: 'secret', salt: 'pepper' } })
      assert.equal(reply.statusCode, 200)
      assert.match(reply.json().hash, /^[0-9a-f]{128}$/)`
  },
  'docs/recipes.md': {
    'Password hashing': `
      const hash = await app.offload('hashPassword', 'secret')
      const login = (password) => app.inject({ method: 'POST', url: '/login', body: { password, hash } })
      assert.equal((await login('secret')).statusCode, 200)
      assert.equal((await login('wrong')).statusCode, 401)`,
    Images: `
      const { PNG } = await import('pngjs')
      const image = new PNG({ width: 2, height: 1 })
      image.data.set([0, 10, 255, 255, 1, 2, 3, 4])
      const body = PNG.sync.write(image)
      const reply = await app.inject({ method: 'POST', url: '/invert', body, headers: { 'content-type': 'image/png' } })
      assert.equal(reply.headers['content-type'], 'image/png')
      assert.deepEqual([...PNG.sync.read(reply.rawPayload).data], [255, 245, 0, 255, 254, 253, 252, 4])`,
    PDF: `
      const reply = await app.inject('/invoice/42')
      assert.equal(reply.statusCode, 200)
      assert.equal(reply.rawPayload.subarray(0, 5).toString(), '%PDF-')`,
    'Server-side rendering': `
      assert.equal((await app.inject('/')).body,
        '<!doctype html><main><h1>List</h1><ul><li>one</li><li>two</li></ul></main>')`,
    'Big JSON and CSV': `
      const reply = await app.inject({ method: 'POST', url: '/sum/b', body: ['a,b', '1,2', '3,40'].join(String.fromCharCode(10)), headers: { 'content-type': 'text/csv' } })
      assert.deepEqual(reply.json(), { sum: 42 })
      assert.equal(await app.offload('countJson', new TextEncoder().encode('[1,2,3]')), 3)`,
    JWT: `
      const { token } = (await app.inject('/token')).json()
      const { createVerifier } = await import('fast-jwt')
      const { createPublicKey } = await import('node:crypto')
      const verify = createVerifier({ key: createPublicKey(key).export({ type: 'spki', format: 'pem' }) })
      assert.equal(verify(token).user, 1)`,
    'Telling every actor': "assert.equal(await app.offload('price', 'tea'), 3)",
    'Warm from the first request': "assert.equal(await app.offload('price', 'tea'), null)",
    'Tests without threads': 'assert.match(app.spillover.snapshot().pinning.reason, /inline/)',
    'Jobs in TypeScript': "assert.equal(await app.offload('price', 'tea'), null)"
  }
}
