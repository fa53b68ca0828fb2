// The jobs as poolifier wants them: a worker object that holds them.
import { ThreadWorker } from 'poolifier'
import * as jobs from './jobs.js'

export default new ThreadWorker({ ...jobs })
