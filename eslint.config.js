'use strict'

const neostandard = require('neostandard')

module.exports = [
  ...neostandard({ ts: true, ignores: ['build', 'dist', 'prebuilds', '**/node_modules', '.tap', 'test/fixtures/machines', 'plugin/dashboard/uplot.js'] }),
  {
    files: ['plugin/dashboard/*.js'],
    languageOptions: {
      globals: Object.fromEntries(['document', 'addEventListener', 'EventSource', 'getComputedStyle', 'matchMedia', 'ResizeObserver', 'uPlot'].map((name) => [name, 'readonly']))
    },
    rules: { 'new-cap': 'off' }
  },
  { rules: { '@stylistic/max-len': ['error', { code: 120, ignoreUrls: true, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }] } }
]
