'use strict'
// Fills the heap while it is loaded.
const kept = []
for (;;) kept.push(new Array(1000).fill(kept.length))
