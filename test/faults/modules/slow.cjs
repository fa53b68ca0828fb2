'use strict'
// Takes a while to load.
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
Object.assign(exports, require('../jobs.cjs'))
