// The jobs as workerpool wants them: registered in the worker.
import workerpool from 'workerpool'
import * as jobs from './jobs.js'

workerpool.worker({ ...jobs })
