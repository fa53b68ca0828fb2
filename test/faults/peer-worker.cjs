'use strict'
// The worker files of workerpool and poolifier: they name their jobs themselves.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const { FAULTS_FILE: file, FAULTS_POOL: pool } = process.env
const required = createRequire(join(__dirname, '..', 'benchmark', 'package.json'))
const jobs = { ...require(file) }
if (pool === 'workerpool') {
  required('workerpool').worker(jobs)
} else {
  const { ThreadWorker } = required('poolifier')
  module.exports = new ThreadWorker(jobs)
}
