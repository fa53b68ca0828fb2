'use strict'
// Throws while it is loaded.
throw new Error('no database')
